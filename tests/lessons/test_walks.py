"""Walks of real optimizers against the same steps written out with numpy."""

import numpy as np
import paddle
import pytest

from paddle_cifar.errors import UsageError
from paddle_cifar.lessons.walks import ravine, two_hollows, walk

START = (-3.2, -0.8)
# Of the ravine: curvature 1 along (0.8, 0.6) and 25 across.
ALONG, ACROSS = np.array([0.8, 0.6]), np.array([-0.6, 0.8])
HESSIAN = np.outer(ALONG, ALONG) + 25 * np.outer(ACROSS, ACROSS)


def descent(start, steps, slope):
    """Points of ``point - slope(point)``, again and again."""
    points = [np.array(start)]
    for _ in range(steps):
        points.append(points[-1] - slope(points[-1]))
    return np.stack(points)


def test_without_momentum_it_is_gradient_descent():
    expected = descent(START, 30, lambda point: 0.03 * HESSIAN @ point)
    path = walk(ravine, START, 30, 0.03, momentum=0.0)
    assert path.shape == (31, 2)
    np.testing.assert_allclose(path, expected, atol=1e-4)


def test_sharpness_aware_steps_take_the_gradient_further_up():
    def slope(point):
        gradient = HESSIAN @ point
        return 0.03 * HESSIAN @ (point + 0.4 * gradient / np.linalg.norm(gradient))

    path = walk(ravine, START, 10, 0.03, momentum=0.0, sam_rho=0.4)
    np.testing.assert_allclose(path, descent(START, 10, slope), atol=1e-4)


def test_averaged_weights_follow_the_same_noisy_walk():
    settings = {"momentum": 0.0, "noise": 5.0}
    path = walk(ravine, START, 100, 0.03, **settings)
    average, expected = path[0], [path[0]]
    for step, point in enumerate(path[1:]):
        average = average + (1 - min(0.9, (1 + step) / (10 + step))) * (point - average)
        expected.append(average)
    smooth = walk(ravine, START, 100, 0.03, ema_decay=0.9, **settings)
    np.testing.assert_allclose(smooth, expected, atol=1e-4)
    assert np.abs(np.diff(smooth[50:], axis=0)).mean() < np.abs(np.diff(path[50:], axis=0)).mean() / 3


def test_a_wide_search_leaves_the_narrow_hollow():
    settings = {"start": (-0.8, 0.45), "steps": 200, "lr": 0.03}
    np.testing.assert_allclose(walk(two_hollows, **settings)[-1], (-1, 0), atol=0.05)
    np.testing.assert_allclose(walk(two_hollows, sam_rho=0.45, **settings)[-1], (1, 0), atol=0.1)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "ranger", "muon"])
def test_every_optimizer_gets_down(optimizer):
    path = paddle.to_tensor(walk(ravine, START, 150, 0.07, optimizer, weight_decay=0.01))
    heights = ravine(path[:, 0], path[:, 1]).numpy()
    assert heights[-10:].mean() < heights[0] / 5


def test_an_unknown_optimizer_is_refused():
    with pytest.raises(UsageError, match="adamw"):
        walk(ravine, START, 1, 0.1, "adamv")
