"""The package's optimizers on surfaces over two weights, small enough to draw every step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import paddle
from paddle import nn

from paddle_cifar.callbacks.ema import WeightAverage
from paddle_cifar.optim import SharpnessAware, build_optimizer

Surface = Callable[[paddle.Tensor, paddle.Tensor], paddle.Tensor]
"""Height over the two weights, element by element: tensors of any one shape."""


def ravine(x: paddle.Tensor, y: paddle.Tensor) -> paddle.Tensor:
    """A valley askew to both axes, 25 times as curved across as along; its bottom is at (0, 0)."""
    along, across = 0.8 * x + 0.6 * y, 0.8 * y - 0.6 * x
    return 0.5 * along**2 + 12.5 * across**2


def two_hollows(x: paddle.Tensor, y: paddle.Tensor) -> paddle.Tensor:
    """A narrow hollow at (-1, 0) and, five times as wide, a shallower one at (1, 0)."""
    narrow = paddle.exp(-((x + 1) ** 2 + y**2) / (2 * 0.2**2))
    wide = paddle.exp(-((x - 1) ** 2 + y**2) / 2)
    return -narrow - 0.8 * wide


class Point(nn.Layer):
    """A network whose output is its only weight: a matrix (2, 1), which Muon and weight decay are for."""

    def __init__(self, start: Sequence[float]) -> None:
        super().__init__()
        place = np.array(start, np.float32).reshape(2, 1)
        self.weight = self.create_parameter([2, 1], default_initializer=nn.initializer.Assign(place))

    def forward(self, image: paddle.Tensor) -> paddle.Tensor:
        """The point; the image is not looked at."""
        return self.weight


class Height(nn.Layer):
    """The loss: the surface at a point (2, 1), tilted by a batch's own slope (2, 1) as its label."""

    def __init__(self, surface: Surface) -> None:
        super().__init__()
        self.surface = surface

    def forward(self, point: paddle.Tensor, slope: paddle.Tensor) -> paddle.Tensor:
        """The height, a scalar."""
        return self.surface(point[0], point[1]).sum() + (slope * point).sum()


def walk(
    surface: Surface,
    start: Sequence[float],
    steps: int,
    lr: float,
    optimizer: str = "sgd",
    noise: float = 0.0,
    sam_rho: float = 0.0,
    sam_adaptive: bool = False,
    ema_decay: float = 0.0,
    **settings: Any,
) -> np.ndarray:
    """Where an optimizer goes from ``start``: points (steps + 1, 2), the start included.

    Args:
        noise: standard deviation of what each step adds to the gradient, as a random batch does;
            the same in every walk.
        sam_rho, sam_adaptive: see ``SharpnessAware``; 0 is without.
        ema_decay: above 0 the points are those of the averaged weights (``WeightAverage``).
        settings: see ``build_optimizer``.

    Raises:
        UsageError: for an unknown optimizer.
    """
    point, height = Point(start), Height(surface)
    stepper = build_optimizer(optimizer, point, lr, **settings)
    if sam_rho:
        SharpnessAware(stepper, point, height, sam_rho, sam_adaptive)
    average = WeightAverage(point, ema_decay)
    seen = average.average  # without decay the weights themselves
    slopes = np.random.default_rng(0).normal(0, noise, (steps, 2, 1)).astype(np.float32)
    path = [seen["weight"].numpy().ravel()]
    for slope in slopes:
        loss = height(point(paddle.zeros([1])), paddle.to_tensor(slope))
        loss.backward()
        stepper.minimize(loss)
        stepper.clear_grad()
        average.update()
        path.append(seen["weight"].numpy().ravel())
    return np.stack(path)
