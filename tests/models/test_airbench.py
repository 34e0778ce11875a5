"""airbench's networks: whitening, identity filters, what is trained and what is not."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from paddle_cifar.models import build_network
from paddle_cifar.models.airbench import WHITENED, Airbench

SMALL = (8, 16, 16)


@pytest.fixture
def images():
    """Smooth random images: their pixels are correlated, as those of photographs are."""
    rng = np.random.default_rng(0)
    coarse = rng.normal(size=(200, 3, 8, 8)).astype(np.float32)
    return coarse.repeat(4, axis=2).repeat(4, axis=3) + 0.3 * rng.normal(size=(200, 3, 32, 32)).astype(
        np.float32
    )


def test_whitening_decorrelates_patches(images):
    network = Airbench(SMALL)
    network.whiten(images)
    seen = network.whitening(paddle.to_tensor(images)).numpy()
    values = seen.transpose(1, 0, 2, 3).reshape(WHITENED, -1).astype(np.float64)
    half = WHITENED // 2
    moments = values[:half] @ values[:half].T / values.shape[1]
    assert np.allclose(moments, np.eye(half), atol=0.02)
    assert np.allclose(values[half:], -values[:half], atol=1e-4)  # the other sign of each direction


def test_pixels_are_correlated_before(images):
    values = images.transpose(1, 0, 2, 3).reshape(3, -1)
    neighbours = np.mean(images[:, :, :, 1:] * images[:, :, :, :-1]) / np.mean(values**2)
    assert neighbours > 0.5


def test_filters_begin_as_identities():
    group = Airbench(SMALL).groups[1]
    image = paddle.randn([2, 8, 10, 10])
    assert np.allclose(group.conv1(image)[:, :8].numpy(), image.numpy(), atol=1e-6)
    assert float(group.conv1.weight[8:].abs().max()) <= 1 / np.sqrt(9 * 8)
    assert float(group.conv1.weight[8:].std()) > 0.05


def test_whitening_is_not_trained():
    network = Airbench(SMALL, residual=True)
    frozen = {name for name, p in network.named_parameters() if p.stop_gradient}
    assert {name for name in frozen if not name.endswith(("_mean", "_variance"))} == {"whitening.weight"}


def test_norms_learn_their_shift_alone():
    network = Airbench(SMALL)
    optimizer = paddle.optimizer.SGD(0.1, parameters=network.parameters())
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network(paddle.randn([4, 3, 32, 32])).square().sum().backward()
    optimizer.step()
    for name, value in network.state_dict().items():
        if ".norm" in name and not name.endswith(("_mean", "_variance")):
            moved = float((value - before[name]).abs().max())
            assert (moved > 0) == name.endswith("bias"), name


@pytest.mark.parametrize("side", [17, 20, 24, 32])
def test_takes_smaller_images(side):
    assert Airbench(SMALL)(paddle.randn([2, 3, side, side])).shape == [2, 100]


@pytest.mark.parametrize(("residual", "sides"), [(False, [15, 7, 3]), (True, [16, 8, 4])])
def test_what_pooling_leaves_of_an_odd_map(residual, sides):
    x, seen = paddle.randn([1, WHITENED, 31, 31]), []
    for group in Airbench(SMALL, residual).groups:
        x = group(x)
        seen.append(x.shape[-1])
    assert seen == sides


def test_residual_branch_is_added():
    """With a third convolution of zeros and no shift, a group gives silu of what follows its pool."""
    network = Airbench(SMALL, residual=True)
    network.eval()
    group = network.groups[0]
    group.conv3.weight.set_value(paddle.zeros_like(group.conv3.weight))
    x = paddle.randn([1, WHITENED, 8, 8])
    pooled = paddle.nn.functional.silu(group.norm1(group.pool(group.conv1(x))))
    assert np.allclose(group(x).numpy(), paddle.nn.functional.silu(pooled).numpy(), atol=1e-6)


def test_seed_decides_the_weights():
    def weights(seed):
        paddle.seed(seed)
        network = build_network("airbench_64_256_256")
        return [value.numpy() for value in network.state_dict().values()]

    assert all(map(np.array_equal, weights(1), weights(1)))
    assert not all(map(np.array_equal, weights(1), weights(2)))


def test_the_saved_graph_takes_any_number_of_images(images, tmp_path):
    """Its last pooling covers a map whose size is read from the image."""
    network = Airbench(SMALL)
    network.eval()
    image = paddle.static.InputSpec([None, 3, 32, 32], "float32", "image")
    paddle.jit.save(network, str(tmp_path / "net"), [image])
    saved = paddle.jit.load(str(tmp_path / "net"))
    for count in (1, 3):
        batch = paddle.to_tensor(images[:count])
        assert np.allclose(saved(batch).numpy(), network(batch).numpy(), atol=1e-5)
