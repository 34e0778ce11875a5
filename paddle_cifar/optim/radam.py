"""Rectified Adam, which Paddle 2.6 lacks."""

from __future__ import annotations

import math
from typing import Any

import paddle

from paddle_cifar.optim.groups import parameters_of
from paddle_cifar.optim.wrapping import Wrapping


class RAdam(Wrapping):
    """Adam that waits with its adaptive rate until its variance is known (Liu et al. 2019, arXiv:1908.03265).

    Turns each gradient into RAdam's direction and leaves the step to the inner
    optimizer, plain SGD: rates of groups hold, and decay is decoupled, as in the authors' code.

    Args:
        inner: ``paddle.optimizer.SGD``.
        beta1, beta2: of the averages of gradient and squared gradient.
        epsilon: added to the root of the latter.
    """

    kinds = ("mean", "square", "radam_count")

    def __init__(self, inner: Any, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8) -> None:
        super().__init__(inner)
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon

    def first(self, kind: str, parameter: paddle.Tensor) -> paddle.Tensor:
        """Averages begin at zero, and so does the count."""
        return paddle.zeros([1]) if kind == "radam_count" else paddle.zeros_like(parameter)

    @paddle.no_grad()
    def step(self) -> None:
        """One step; consumes the gradients."""
        parameters = parameters_of(self)
        count = self.tensor("radam_count", parameters[0])
        count.add_(paddle.ones([1]))
        steps = int(count.item())
        rectification = rectify(steps, self.beta2)
        for parameter in parameters:
            gradient = parameter.grad
            if gradient is None:
                continue
            mean, square = self.tensor("mean", parameter), self.tensor("square", parameter)
            mean.add_((gradient - mean).scale_(1 - self.beta1))
            square.add_((gradient * gradient - square).scale_(1 - self.beta2))
            direction = mean / (1 - self.beta1**steps)
            if rectification:
                root = (square / (1 - self.beta2**steps)).sqrt() + self.epsilon
                direction = direction * rectification / root
            paddle.assign(direction, gradient)
        self.inner.step()


def rectify(steps: int, beta2: float) -> float:
    """The factor r of the paper's algorithm 2; 0 while the variance is not tractable (rho of at most 5)."""
    longest = 2 / (1 - beta2) - 1
    length = longest - 2 * steps * beta2**steps / (1 - beta2**steps)
    if length <= 5:
        return 0.0
    return math.sqrt((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length))
