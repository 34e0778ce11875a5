import numpy as np
import paddle
import pytest
from paddle import nn

from paddle_cifar.assembly import build_model
from paddle_cifar.config import TrainConfig
from paddle_cifar.engine import apply_engine
from paddle_cifar.errors import RunError, UsageError
from paddle_cifar.models import build_network
from paddle_cifar.optim import SharpnessAware, build_loss, build_optimizer
from paddle_cifar.optim.sam import frozen_statistics

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(8, 5))
LABELS = RNG.integers(0, 3, 8)


def prepared(network, rho, adaptive=False, lr=0.1):
    loss = build_loss("cross_entropy")
    optimizer = build_optimizer("sgd", network, lr, momentum=0.0)
    if rho:
        SharpnessAware(optimizer, network, loss, rho, adaptive)
    model = paddle.Model(network)
    model.prepare(optimizer, loss)
    return model


def gradients(weight, bias):
    """Of the mean cross-entropy of a linear layer, in float64."""
    exponentials = np.exp(IMAGES @ weight + bias)
    error = exponentials / exponentials.sum(1, keepdims=True) - np.eye(3)[LABELS]
    return [IMAGES.T @ error / 8, error.mean(0)]


@pytest.mark.parametrize(("rho", "adaptive"), [(0.3, False), (2.0, True)])
def test_steps_by_hand(rho, adaptive):
    paddle.seed(0)
    layer = nn.Linear(5, 3)
    layer.bias.set_value(np.array([0.3, -0.2, 0.1], np.float32))
    model = prepared(layer, rho, adaptive)
    weights = [layer.weight.numpy().astype(float), layer.bias.numpy().astype(float)]
    for _ in range(3):
        model.train_batch([IMAGES.astype("float32")], [LABELS])
        slopes = gradients(*weights)
        scale = [np.abs(weight) if adaptive else 1.0 for weight in weights]
        norm = np.sqrt(sum(((s * slope) ** 2).sum() for s, slope in zip(scale, slopes, strict=True)))
        worst = [
            weight + rho * s**2 * slope / norm
            for weight, s, slope in zip(weights, scale, slopes, strict=True)
        ]
        weights = [weight - 0.1 * slope for weight, slope in zip(weights, gradients(*worst), strict=True)]
    assert np.abs(layer.weight.numpy() - weights[0]).max() < 2e-6
    assert np.abs(layer.bias.numpy() - weights[1]).max() < 2e-6


def batch():
    paddle.seed(3)
    return [paddle.randn([4, 3, 32, 32]).numpy()], [np.arange(4)]


@pytest.mark.parametrize("engine", ["paddle", "auto"])
def test_norm_statistics_see_the_first_pass_only(engine):
    """The running statistics after a SAM step are, bit for bit, those after a plain one."""
    found = []
    for rho in (0.0, 0.5):
        paddle.seed(1)
        network = build_network("wrn_10_1", num_classes=10)
        apply_engine(network, engine, "float32")
        prepared(network, rho).train_batch(*batch())
        found.append({name: value.numpy() for name, value in network.state_dict().items()})
    plain, sharp = found
    running = [name for name in plain if "_mean" in name or "_variance" in name]
    assert running and all(np.array_equal(plain[name], sharp[name]) for name in running)
    assert not np.array_equal(plain["conv1.weight"], sharp["conv1.weight"])


def test_norms_keep_their_momentum_afterwards():
    network = nn.Sequential(nn.BatchNorm2D(3, momentum=0.7))
    with pytest.raises(ZeroDivisionError), frozen_statistics(network):
        assert network[0]._momentum == 1.0
        raise ZeroDivisionError
    assert network[0]._momentum == 0.7


def test_the_loss_is_that_of_the_weights_and_a_vanishing_rho_changes_nothing():
    found = []
    for rho in (0.0, 1e-7):
        paddle.seed(1)
        network = build_network("lenet", num_classes=10)
        model = prepared(network, rho, lr=1e-3)
        losses = [float(model.train_batch(*batch())[0]) for _ in range(3)]
        found.append((losses, network.state_dict()["features.0.weight"].numpy()))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-5)
    assert np.allclose(found[0][1], found[1][1], atol=1e-6)


def test_dropout_is_alike_in_both_passes():
    network = nn.Sequential(nn.Dropout(0.5), nn.Linear(5, 3))
    kept = []
    network[0].register_forward_post_hook(lambda layer, inputs, output: kept.append(output.numpy() != 0))
    model = prepared(network, 0.1)
    for _ in range(3):
        model.train_batch([IMAGES.astype("float32")], [LABELS])
    assert len(kept) == 6
    assert all(np.array_equal(kept[i], kept[i + 1]) for i in (0, 2, 4))
    assert not np.array_equal(kept[0], kept[2])


def test_half_precision_is_refused_in_one_line():
    with pytest.raises(UsageError, match="--sam-rho"):
        TrainConfig(sam_rho=0.1, precision="fp16")
    config = TrainConfig(sam_rho=0.1)  # where auto has become fp16, on a GPU without bf16
    with pytest.raises(RunError, match="--precision float32"):
        build_model(config, nn.Linear(5, 3), "fp16", steps_per_epoch=1)
