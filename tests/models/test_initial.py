import math

import numpy as np
import paddle
import pytest
from paddle import nn

from paddle_cifar.errors import UsageError
from paddle_cifar.models import build_network
from paddle_cifar.models.initial import initialise, normalised_convolutions
from paddle_cifar.optim import build_optimizer


def test_paddles_own_are_left_alone():
    network = build_network("wrn_10_1")
    before = network.conv1.weight.numpy()
    initialise(network)
    assert np.array_equal(before, network.conv1.weight.numpy())


def test_kaiming():
    paddle.seed(0)
    network = build_network("resnet18")
    network.bn1.weight.set_value(np.full(64, 3, np.float32))
    initialise(network, "kaiming")
    for conv in (network.layer1[0].conv1, network.layer3[0].conv1, network.layer3[0].downsample[0]):
        outputs, _, height, width = conv.weight.shape
        deviation = math.sqrt(2 / (outputs * height * width))
        assert float(conv.weight.std()) == pytest.approx(deviation, rel=0.03)
        assert abs(float(conv.weight.mean())) < 0.02 * deviation
    bound = 1 / math.sqrt(512)
    assert 0.99 * bound < float(network.fc.weight.abs().max()) <= bound
    assert np.all(network.fc.bias.numpy() == 0) and np.all(network.bn1.weight.numpy() == 1)


def test_kaiming_counts_the_outputs_of_a_group():
    paddle.seed(0)
    layer = nn.Conv2D(256, 256, 3, groups=64)
    initialise(nn.Sequential(layer), "kaiming")
    assert float(layer.weight.std()) == pytest.approx(math.sqrt(2 / (4 * 9)), rel=0.05)


@pytest.mark.parametrize(("inputs", "outputs"), [(3, 8), (8, 8), (8, 3)])
def test_dirac_hands_its_input_on(inputs, outputs):
    conv = nn.Conv2D(inputs, outputs, 3, padding=1, bias_attr=False)
    before = conv.weight.numpy()
    initialise(nn.Sequential(conv), "dirac")
    image = paddle.randn([2, inputs, 6, 6])
    same = min(inputs, outputs)
    assert np.allclose(conv(image)[:, :same].numpy(), image[:, :same].numpy(), atol=1e-6)
    assert np.array_equal(conv.weight.numpy()[same:], before[same:])


def test_dirac_leaves_other_kernels():
    for layer in (nn.Conv2D(4, 4, 1), nn.Conv2D(4, 4, 5), nn.Conv2D(4, 4, 3, groups=2)):
        before = layer.weight.numpy()
        initialise(nn.Sequential(layer), "dirac")
        assert np.array_equal(before, layer.weight.numpy())


@pytest.mark.parametrize(
    ("model", "found", "missing"), [("resnet18", 20, 0), ("wrn_10_1", 4, 5), ("lenet", 0, 2)]
)
def test_convolutions_followed_by_a_norm(model, found, missing):
    """Those at the end of a pre-activation block are not: the shortcut is added to their output first."""
    network = build_network(model)
    convolutions = [layer for layer in network.sublayers() if isinstance(layer, nn.Conv2D)]
    normalised = normalised_convolutions(network)
    assert len(normalised) == len(set(map(id, normalised))) == found
    assert len(convolutions) == found + missing
    assert network.training and not any(layer._forward_post_hooks for layer in convolutions)


def test_a_max_pool_may_come_between():
    network = nn.Sequential(nn.Conv2D(3, 4, 3), nn.MaxPool2D(2), nn.BatchNorm2D(4), nn.Conv2D(4, 4, 3))
    assert normalised_convolutions(network) == [network[0]]


def test_scaled_weights_at_a_smaller_rate_train_the_same():
    """Rate 0.1 with decay 5e-3 is rate 0.01, decay 5e-2 and weights over the root of 10, with momentum."""
    paddle.set_default_dtype("float64")
    try:
        found = []
        for scale, lr, decay, others in ((1.0, 0.1, 5e-3, 1.0), (math.sqrt(0.1), 0.01, 5e-2, 10.0)):
            paddle.seed(0)
            network = nn.Sequential(
                *(nn.Conv2D(3, 4, 3, padding=1), nn.BatchNorm2D(4, epsilon=1e-30), nn.ReLU()),
                *(nn.Conv2D(4, 6, 3), nn.BatchNorm2D(6, epsilon=1e-30), nn.ReLU()),
                *(nn.AdaptiveAvgPool2D(1), nn.Flatten(), nn.Linear(6, 5)),
            )
            initialise(network, "paddle", scale)
            optimizer = build_optimizer("sgd", network, lr, decay, head_lr=others, norm_lr=others)
            rng, losses = np.random.default_rng(0), []
            for _ in range(8):
                logits = network(paddle.to_tensor(rng.normal(size=(16, 3, 32, 32))))
                loss = nn.functional.cross_entropy(logits, paddle.to_tensor(rng.integers(0, 5, 16)))
                loss.backward()
                optimizer.minimize(loss)
                network.clear_gradients()
                losses.append(float(loss))
            found.append((losses, {name: value.numpy() for name, value in network.state_dict().items()}))
    finally:
        paddle.set_default_dtype("float32")
    (losses, weights), (scaled_losses, scaled) = found
    assert losses == pytest.approx(scaled_losses, rel=1e-6) and losses[0] != losses[-1]
    for name in ("0.weight", "3.weight"):
        assert np.allclose(weights[name], scaled[name] / math.sqrt(0.1), rtol=1e-5, atol=1e-7), name
    assert np.allclose(weights["8.weight"], scaled["8.weight"], rtol=1e-5, atol=1e-7)
    assert np.allclose(weights["1.weight"], scaled["1.weight"], rtol=1e-5, atol=1e-7)


def test_unknown_init():
    with pytest.raises(UsageError, match="did you mean kaiming"):
        initialise(nn.Linear(2, 2), "kaimin")
