import numpy as np
import paddle
import pytest

from paddle_cifar.config import TTA
from paddle_cifar.engine import apply_engine
from paddle_cifar.errors import UsageError
from paddle_cifar.models import build_network
from paddle_cifar.tta import VIEWS, AveragedViews, View, view_of

IMAGES = np.random.default_rng(0).normal(size=(4, 3, 32, 32)).astype(np.float32)


def mean_of_views(logits_of, images):
    """airbench's six views, written again in numpy: pad by reflection, crop, mirror."""
    padded = np.pad(images, [(0, 0), (0, 0), (1, 1), (1, 1)], mode="reflect")
    moved = [padded[:, :, 0:32, 0:32], padded[:, :, 2:34, 2:34]]
    both_ways = [0.5 * logits_of(view) + 0.5 * logits_of(view[..., ::-1].copy()) for view in (images, *moved)]
    return 0.5 * both_ways[0] + 0.5 * (both_ways[1] + both_ways[2]) / 2


@pytest.fixture(params=["paddle", "auto"])
def network(request):
    """On Paddle's kernels, and on the engine where it can be had."""
    paddle.seed(0)
    network = build_network("wrn_10_1")
    network.eval()
    apply_engine(network, request.param, "float32")
    return network


def test_shifts_are_airbenchs_six_views(network):
    def logits_of(images):
        with paddle.no_grad():
            return network(paddle.to_tensor(images)).numpy()

    with paddle.no_grad():
        averaged = AveragedViews(network, "shifts")(paddle.to_tensor(IMAGES)).numpy()
        single = AveragedViews(network, "none")(paddle.to_tensor(IMAGES)).numpy()
    np.testing.assert_allclose(averaged, mean_of_views(logits_of, IMAGES), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(single, logits_of(IMAGES))
    assert np.abs(averaged - single).max() > 1e-3


def test_a_mirrored_image_has_the_same_mean(network):
    views = AveragedViews(network, "mirror")
    with paddle.no_grad():
        mirrored = views(paddle.to_tensor(IMAGES[..., ::-1].copy())).numpy()
        np.testing.assert_allclose(mirrored, views(paddle.to_tensor(IMAGES)).numpy(), rtol=1e-4, atol=1e-5)


def test_a_shift_moves_the_image_down_and_right():
    moved = view_of(paddle.to_tensor(IMAGES), View(1, False, 1.0)).numpy()
    np.testing.assert_array_equal(moved[:, :, 1:, 1:], IMAGES[:, :, :-1, :-1])
    np.testing.assert_array_equal(moved[:, :, 0, 1:], IMAGES[:, :, 1, :-1])  # the row next to the edge


def test_weights_sum_to_one_and_names_are_the_configs():
    assert tuple(VIEWS) == TTA
    for views in VIEWS.values():
        assert sum(view.weight for view in views) == 1 and len(set(views)) == len(views)
    assert len(VIEWS["shifts"]) == 6


def test_an_unknown_name_offers_the_nearest():
    with pytest.raises(UsageError, match="did you mean mirror"):
        AveragedViews(paddle.nn.Flatten(), "miror")
