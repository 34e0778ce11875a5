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
    """

    # The count is stored for each parameter, as Adam's are: there is no state but that of parameters.
    kinds = ("slow", "lookahead_count")

    def __init__(self, inner: Any, steps: int, share: float) -> None:
        super().__init__(inner)
        self.steps, self.share = steps, share

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
        if int(count.item()) % self.steps:
            return
        for fast, behind in zip(parameters, slow, strict=True):
            behind.add_((fast - behind).scale_(self.share))
            fast.set_value(behind)
