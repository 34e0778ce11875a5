"""What optimizers that Paddle lacks have in common: one of Paddle's inside, and tensors of their own."""

from __future__ import annotations

from typing import Any

import paddle

from paddle_cifar.optim.groups import parameters_of


class Wrapping:
    """An optimizer around another one, which answers what this one does not define: rate, groups, scheduler.

    Its own tensors, one of each kind for a parameter, are part of the state dict
    under the names that Paddle's accumulators have, "<parameter's name>_<kind>_0",
    so that checkpoints need not tell them apart. They are made at the first step.
    """

    kinds: tuple[str, ...] = ()

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.tensors: dict[str, paddle.Tensor] = {}

    def __getattr__(self, name: str) -> Any:
        if name == "inner":  # while being copied there is none yet
            raise AttributeError(name)
        return getattr(self.inner, name)

    def tensor(self, kind: str, parameter: paddle.Tensor) -> paddle.Tensor:
        """The tensor of this kind for a parameter, made by :meth:`first` when there is none yet."""
        name = f"{parameter.name}_{kind}_0"
        if name not in self.tensors:
            self.tensors[name] = self.first(kind, parameter)
        return self.tensors[name]

    def first(self, kind: str, parameter: paddle.Tensor) -> paddle.Tensor:
        """What a tensor is before the first step."""
        return paddle.zeros_like(parameter)

    def state_dict(self) -> dict[str, Any]:
        """The inner optimizer's state and the tensors."""
        return {**self.inner.state_dict(), **self.tensors}

    def set_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` returned."""
        own = {f"{p.name}_{kind}_0" for p in parameters_of(self) for kind in self.kinds}
        self.tensors = {name: value.clone() for name, value in state.items() if name in own}
        self.inner.set_state_dict({name: value for name, value in state.items() if name not in own})
