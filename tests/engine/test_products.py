import numpy as np
import paddle
import pytest

from paddle_cifar.engine.products import product
from paddle_cifar.optim.muon import orthogonalise

pytestmark = pytest.mark.usefixtures("needs_library")


@pytest.mark.parametrize("shape", [(48, 200), (200, 48)])
@pytest.mark.parametrize("transpose_x", [False, True])
@pytest.mark.parametrize("transpose_y", [False, True])
def test_a_product_is_paddles_to_eight_bits(shape, transpose_x, transpose_y):
    x, y = paddle.randn(shape), paddle.randn([shape[not transpose_x], 16])
    x_as, y_as = (each.T.contiguous() if turn else each for each, turn in ((x, False), (y, transpose_y)))
    exact = paddle.matmul(x_as, y_as, transpose_x, transpose_y)
    rounded = product(x_as, y_as, transpose_x, transpose_y)
    assert rounded.shape == exact.shape and rounded.dtype == paddle.float32
    assert 0 < float((rounded - exact).norm() / exact.norm()) < 0.005


@pytest.mark.parametrize("shape", [(48, 200), (200, 48)])
def test_orthogonal_steps_need_no_more_than_eight_bits(shape):
    matrix = paddle.to_tensor(np.random.default_rng(3).normal(size=shape).astype("float32"))
    exact, rounded = (orthogonalise(matrix, 3, times) for times in (paddle.matmul, product))
    assert 0 < float((rounded - exact).norm() / exact.norm()) < 0.05  # the rounds magnify small values
    assert np.linalg.svd(rounded.numpy(), compute_uv=False).max() < 1.25


@pytest.mark.parametrize("steps", [3, 5, 6])
def test_rounding_makes_no_step_too_long_where_most_singular_values_are_tiny(steps):
    """Gradients are like that. Where five rounds and more round their products, values reach 1.3 to 2."""
    left, right = paddle.randn([64, 3]), paddle.randn([3, 300])
    matrix = paddle.matmul(left, right) + 1e-3 * paddle.randn([64, 300])
    values = np.linalg.svd(orthogonalise(matrix, steps, product).numpy(), compute_uv=False)
    assert np.isfinite(values).all() and values.max() < 1.2


def test_an_optimizer_multiplies_as_the_network_does(monkeypatch):
    from paddle_cifar import distributed
    from paddle_cifar.precision import product_of

    assert product_of("bf16") is product and product_of("float32") is paddle.matmul
    monkeypatch.setattr(distributed, "several", lambda: True)
    assert product_of("bf16") is paddle.matmul  # another machine may have no bf16
    monkeypatch.undo()
    monkeypatch.setattr(paddle, "get_device", lambda: "gpu:0")
    assert product_of("bf16") is paddle.matmul
