import numpy as np
import paddle
import pytest
from paddle import nn

from paddle_cifar.optim.muon import orthogonalise
from paddle_cifar.optim.optimizers import build_optimizer
from tests.optim.steps import drive, random_gradients, weights
from tests.optim.test_optimizers import sgd_by_hand


def newton_schulz(matrix, steps):
    """Keller Jordan's loop as he writes it, on the long matrix, in float64."""
    transposed = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if transposed else matrix
    x = x / np.linalg.norm(x)
    for _ in range(steps):
        square = x @ x.T
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return x.T if transposed else x


@pytest.mark.parametrize("shape", [(16, 40), (40, 16), (8, 8), (1, 9), (64, 27)])
@pytest.mark.parametrize("steps", [1, 3, 5])
def test_orthogonalising_on_the_square_is_newton_schulz_on_the_matrix(shape, steps):
    matrix = np.random.default_rng(0).normal(size=shape) * 1e-5  # gradients are small
    result = orthogonalise(paddle.to_tensor(matrix.astype("float32")), steps).numpy()
    assert np.abs(result - newton_schulz(matrix, steps)).max() < 1e-5


def test_all_singular_values_become_about_one():
    matrix = np.random.default_rng(1).normal(size=(32, 200)).astype("float32")
    left, _, right = np.linalg.svd(matrix, full_matrices=False)
    result = orthogonalise(paddle.to_tensor(matrix), 5).numpy()
    values = np.linalg.svd(result, compute_uv=False)
    assert values.min() > 0.65 and values.max() < 1.25
    assert ((left @ right) * result).sum() / np.linalg.norm(result) / np.sqrt(32) > 0.98


def test_a_gradient_of_low_rank_and_one_of_zeros_stay_finite():
    rng = np.random.default_rng(2)
    matrix = rng.normal(size=(64, 3)) @ rng.normal(size=(3, 300))
    result = orthogonalise(paddle.to_tensor(matrix.astype("float32")), 6).numpy()
    assert np.abs(result - newton_schulz(matrix, 6)).max() < 1e-3
    assert np.all(orthogonalise(paddle.zeros([4, 9]), 5).numpy() == 0)


def small_network():
    paddle.seed(0)
    return nn.Sequential(
        nn.Conv2D(3, 32, 3), nn.BatchNorm2D(32), nn.Flatten(), nn.Linear(32, 6), nn.ReLU(), nn.Linear(6, 5)
    )


def by_hand(weight, gradients, rate, decay, renormalize):
    buffer = np.zeros_like(weight)
    for gradient in gradients:
        buffer = 0.8 * buffer + gradient
        direction = gradient + 0.8 * buffer
        matrix = direction.reshape(len(direction), -1) if weight.ndim == 4 else direction.T
        step = newton_schulz(matrix, 4) * np.sqrt(max(1, matrix.shape[0] / matrix.shape[1]))
        if renormalize and weight.ndim == 4:
            weight = weight * np.sqrt(len(weight)) / np.linalg.norm(weight)
        else:
            weight = weight * (1 - rate * decay)
        weight = weight - rate * (step.reshape(weight.shape) if weight.ndim == 4 else step.T)
    return weight


@pytest.mark.parametrize("renormalize", [False, True])
def test_steps_by_hand(renormalize):
    """Kernels and hidden matrices by Muon; head, norms and biases by Nesterov at their own rates."""
    network = small_network()
    start, gradients = weights(network), random_gradients(network, 3)
    optimizer = build_optimizer(
        *("muon", network, 0.1, 0.2, 0.8),
        head_lr=3.0,
        norm_lr=0.5,
        muon_steps=4,
        muon_renormalize=renormalize,
    )
    after = drive(optimizer, network, gradients)
    for name in ("0.weight", "3.weight"):
        expected = by_hand(start[name], gradients[name], 0.1, 0.2, renormalize)
        assert np.abs(after[name] - expected).max() < 1e-5, name
    others = {"0.bias": 0.5, "1.weight": 0.5, "1.bias": 0.5, "3.bias": 0.5, "5.weight": 3.0, "5.bias": 3.0}
    for name, factor in others.items():
        decay = 0.2 / factor if name == "5.weight" else 0.0
        expected = sgd_by_hand(start[name], gradients[name], decay, lr=0.1 * factor, momentum=0.8)
        assert np.abs(after[name] - expected).max() < 1e-5, name
    assert set(after) == {"0.weight", "3.weight", *others}


def test_a_frozen_kernel_stays():
    network = small_network()
    network[0].weight.stop_gradient = True
    before = network[0].weight.numpy()
    optimizer = build_optimizer("muon", network, 0.1, 0.2)
    network(paddle.randn([4, 3, 3, 3])).sum().backward()
    optimizer.minimize(None)
    assert np.array_equal(network[0].weight.numpy(), before)


def test_a_step_with_an_overflow_under_fp16_is_left_out():
    """GradScaler tells the optimizer instead of not calling it."""
    network = small_network()
    before = weights(network)
    optimizer = build_optimizer("muon", network, 0.1, lookahead_steps=1)
    optimizer._set_auxiliary_var("found_inf", paddle.to_tensor([True]))
    drive(optimizer, network, random_gradients(network, 1))
    assert all(np.array_equal(before[name], value) for name, value in weights(network).items())
    assert optimizer._get_auxiliary_var("found_inf") is True and not optimizer.tensors
    optimizer._set_auxiliary_var("found_inf", paddle.to_tensor([False]))
    drive(optimizer, network, random_gradients(network, 1))
    assert not np.array_equal(before["0.weight"], weights(network)["0.weight"])
