"""The experiment on depth: what is recorded, and that the effect is there."""

import numpy as np
import paddle
import pytest

from paddle_cifar.lessons.depth import LossCurve, depth_figure, gradient_sizes, running_mean
from paddle_cifar.models.plain import CifarResNet


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    return rng.normal(size=(16, 3, 16, 16)).astype(np.float32), rng.integers(0, 100, 16)


def test_the_curve_has_every_step(batch):
    paddle.seed(0)
    network = paddle.nn.Sequential(paddle.nn.Flatten(), paddle.nn.Linear(768, 100))
    model = paddle.Model(network)
    optimizer = paddle.optimizer.SGD(0.01, parameters=network.parameters())
    model.prepare(optimizer, paddle.nn.CrossEntropyLoss())
    image, label = batch
    first = float(
        paddle.nn.functional.cross_entropy(network(paddle.to_tensor(image)), paddle.to_tensor(label))
    )
    curve = LossCurve()
    model.fit([batch, batch, batch], epochs=2, verbose=0, callbacks=[curve])
    assert len(curve.losses) == 6
    assert curve.losses[0] == pytest.approx(first, rel=1e-5)
    assert curve.losses == sorted(curve.losses, reverse=True)


def test_gradients_of_a_deep_plain_network_differ_far_more_than_those_of_its_residual_twin(batch):
    """Each plain layer's gradient is a product over all later ones; a sum has a direct way."""
    spread = {}
    for residual in (False, True):
        paddle.seed(0)
        network = CifarResNet(38, residual)
        before = network.conv1.weight.numpy()
        sizes = gradient_sizes(network, *batch)
        assert sizes.shape == (37,) and (sizes > 0).all()  # all layers but the Linear
        assert np.array_equal(before, network.conv1.weight.numpy())
        assert all(p.grad is None or not p.grad.abs().sum() for p in network.parameters())
        # Of the middle of the network: the ends are special in both.
        spread[residual] = sizes[3:13].mean() / sizes[-10:].mean()
    assert spread[False] > 3 * spread[True]


def test_gradient_sizes_are_norms_over_norms(batch):
    paddle.seed(0)
    network = paddle.nn.Sequential(
        paddle.nn.Conv2D(3, 4, 3, bias_attr=False), paddle.nn.AdaptiveAvgPool2D(1), paddle.nn.Flatten(),
        paddle.nn.Linear(4, 100),
    )  # fmt: skip
    (size,) = gradient_sizes(network, *batch)
    weight, step = network[0].weight, 1e-2
    image, label = map(paddle.to_tensor, batch)

    def loss():
        return float(paddle.nn.functional.cross_entropy(network(image), label))

    # The derivative along the gradient is its norm: here along the direction of each weight in turn.
    original, squares = weight.numpy(), 0.0
    for index in np.ndindex(original.shape):
        changed = original.copy()
        values = []
        for sign in (1, -1):
            changed[index] = original[index] + sign * step
            weight.set_value(changed)
            values.append(loss())
        squares += ((values[0] - values[1]) / (2 * step)) ** 2
    assert size == pytest.approx(np.sqrt(squares) / np.linalg.norm(original), rel=0.02)


def test_running_mean_of_a_few():
    assert running_mean([1, 3, 5, 7], 2).tolist() == [1, 2, 4, 6]
    assert running_mean([1, 3, 5, 7], 10).tolist() == [1, 2, 3, 4]


def test_the_figure_names_every_network():
    losses = {"plain": [4.6, 4.5], "residual": [4.6, 4.0]}
    figure = depth_figure(losses, {name: np.array([1.0, 2.0]) for name in losses})
    legend = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert any("residual: 4.30" in line for line in legend) and len(legend) == 3
