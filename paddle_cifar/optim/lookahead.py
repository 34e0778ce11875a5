"""Lookahead around any optimizer."""

from __future__ import annotations

from typing import Any

import paddle

from paddle_cifar.optim.groups import parameters_of
from paddle_cifar.optim.wrapping import Wrapping


class Lookahead(Wrapping):
    """Every ``steps`` steps slow weights go ``share`` of the way to the fast ones, which go on from there.

    Zhang et al. 2019, arXiv:1907.08610. What is evaluated and saved are the fast
    weights, as they are at that moment; norm statistics are left alone.

    Args:
        inner: the optimizer that makes the steps.
        steps: of the inner optimizer, between two of these.
        share: how far the slow weights go, 1 being all the way (no Lookahead at all).
        ramp_steps: steps over which that share falls from 1 to ``share``, along the cube of
            their number as in Keller Jordan's airbench94: a short run is not held back at its
            beginning and averaged at its end (0: ``share`` throughout).
    """

    # The count is stored for each parameter, as Adam's are: there is no state but that of parameters.
    kinds = ("slow", "lookahead_count")

    def __init__(self, inner: Any, steps: int, share: float, ramp_steps: int = 0) -> None:
        super().__init__(inner)
        self.steps, self.share, self.ramp_steps = steps, share, ramp_steps

    def share_after(self, steps: int) -> float:
        """How far the slow weights go after so many steps of the inner optimizer."""
        progress = min(1.0, steps / self.ramp_steps) if self.ramp_steps else 1.0
        return 1 - (1 - self.share) * progress**3

    def first(self, kind: str, parameter: paddle.Tensor) -> paddle.Tensor:
        """The slow weights begin where the fast ones do."""
        return parameter.detach().clone() if kind == "slow" else paddle.zeros([1])

    @paddle.no_grad()
    def step(self) -> None:
        """A step of the inner optimizer; after each ``steps`` of them, back some of the way."""
        parameters = parameters_of(self)
        slow = [self.tensor("slow", parameter) for parameter in parameters]  # before they are first changed
        self.inner.step()
        count = self.tensor("lookahead_count", parameters[0])
        count.add_(paddle.ones([1]))
        steps = int(count.item())
        if steps % self.steps:
            return
        share = self.share_after(steps)
        for fast, behind in zip(parameters, slow, strict=True):
            behind.add_((fast - behind).scale_(share))
            fast.set_value(behind)
