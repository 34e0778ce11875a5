"""What flows between layers while the engine runs: an image batch in its layout that passes for a tensor.

A network's own Python code keeps running as it is written. Where it would see a `paddle.Tensor` between two
layers it sees an `Activation`: it answers for shape and arithmetic, knows how to become a real tensor, and
otherwise holds [N, H, W, C] memory that only the engine reads. Two things are put off until they are needed:

- the layer itself, when the next one may take it along (batch norm or an addition, followed by ReLU);
- the fork of the gradient, when a tensor is read for a second time (the two sides of a residual block).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import paddle
from paddle.autograd import PyLayer

from paddle_cifar.engine import elementwise
from paddle_cifar.engine.tensors import Shape, element_type, image_shape, to_channels_first, to_channels_last

# Computes a layer's result, with ReLU taken along if the argument is true.
# It may be asked twice (a result read both with and without its ReLU), so it takes its inputs anew each time.
Pending = Callable[[bool], paddle.Tensor]


class Enter(PyLayer):
    """Paddle's [N, C, H, W] float32 into the engine's layout and precision."""

    @staticmethod
    def forward(ctx: Any, tensor: paddle.Tensor, element: int) -> paddle.Tensor:
        """[N, C, H, W] float32 to [N, H, W, C] of the type ``element``."""
        return to_channels_last(tensor, element)

    @staticmethod
    def backward(ctx: Any, gradient: paddle.Tensor) -> paddle.Tensor:
        """The gradient [N, H, W, C] to [N, C, H, W] float32."""
        return to_channels_first(gradient)


class Leave(PyLayer):
    """The engine's layout and precision back to Paddle's."""

    @staticmethod
    def forward(ctx: Any, image: paddle.Tensor) -> paddle.Tensor:
        """[N, H, W, C] to [N, C, H, W] float32."""
        ctx.element = element_type(image)
        return to_channels_first(image)

    @staticmethod
    def backward(ctx: Any, gradient: paddle.Tensor) -> paddle.Tensor:
        """The gradient [N, C, H, W] float32 to [N, H, W, C] of the type that came in."""
        return to_channels_last(gradient, ctx.element)


class Activation:
    """An image batch inside the engine. `dims` is its N, C, H, W."""

    def __init__(
        self, dims: Shape, image: paddle.Tensor | None = None, pending: Pending | None = None
    ) -> None:
        self.dims = dims
        self._image = image
        self.pending = pending
        self._tensor: paddle.Tensor | None = None
        self._differentiable = paddle.is_grad_enabled()

    @classmethod
    def of(cls, image: paddle.Tensor) -> Activation:
        """The activation whose memory [N, H, W, C] is known already."""
        return cls(image_shape(image), image)

    def take(self) -> paddle.Tensor:
        """The [N, H, W, C] memory, for one reader."""
        image = self._memory()
        if image.stop_gradient or not paddle.is_grad_enabled():
            return image
        mine, self._image = elementwise.Fork.apply(image)
        return mine

    def _memory(self) -> paddle.Tensor:
        if self._image is None:
            self._image = self.compute(relu=False)
            self.pending = None  # it holds the layer's inputs, they theirs, and so on
        return self._image

    def compute(self, relu: bool) -> paddle.Tensor:
        """What was put off, without gradients where it was put off without."""
        assert self.pending is not None
        if self._differentiable or not paddle.is_grad_enabled():
            return self.pending(relu)
        with paddle.no_grad():
            return self.pending(relu)

    def become(self, other: Activation) -> Activation:
        """This activation, holding from now on what ``other`` holds, which is not to be used any more."""
        self._image, self.pending, self._tensor = other._image, other.pending, None
        return self

    def tensor(self) -> paddle.Tensor:
        """A real Paddle tensor, for code the engine does not know."""
        if self._tensor is None:
            self._tensor = Leave.apply(self.take())
        return self._tensor

    @property
    def element(self) -> int:
        """oneDNN's number for the type inside."""
        return element_type(self._memory())

    @property
    def shape(self) -> list[int]:
        """N, C, H, W, as Paddle would say it."""
        return list(self.dims)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return 4

    @property
    def dtype(self) -> Any:
        """What Paddle is told: outside of the engine an image batch is float32."""
        return paddle.float32

    def __add__(self, other: Any) -> Any:
        return _arithmetic().add(self, other)

    def __mul__(self, other: Any) -> Any:
        return _arithmetic().multiply(self, other)

    __radd__ = __iadd__ = __add__
    __rmul__ = __imul__ = __mul__

    def mean(self, axis: Any = None, keepdim: bool = False) -> Any:
        """The mean over ``axis``, as ``paddle.mean``: an activation or a real tensor."""
        return _arithmetic().mean(self, axis, keepdim)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name.endswith("_"):
            raise in_place(name)
        return getattr(self.tensor(), name)

    def __array__(self, *arguments: Any, **options: Any) -> Any:
        return self.tensor().__array__(*arguments, **options)

    def __len__(self) -> int:
        return self.dims[0]


def _arithmetic() -> Any:
    """The module that knows how activations combine; it needs the class above."""
    from paddle_cifar.engine import arithmetic

    return arithmetic


def _through_tensor(name: str) -> Callable[..., Any]:
    def operator(self: Activation, *others: Any) -> Any:
        return getattr(self.tensor(), name)(*(real(other) for other in others))

    return operator


# Operators are looked up on the class, so __getattr__ does not cover them.
for _name in (
    "sub", "rsub", "truediv", "rtruediv", "pow", "neg", "getitem", "matmul", "gt", "ge", "lt", "le",
    "eq", "ne", "bool", "float", "abs",
):  # fmt: skip
    setattr(Activation, f"__{_name}__", _through_tensor(f"__{_name}__"))
Activation.__hash__ = object.__hash__  # type: ignore[method-assign]


def in_place(name: str) -> NotImplementedError:
    """What to raise for a change in place, which would be made to a copy. Paddle runs the network then."""
    return NotImplementedError(f"{name} changes its argument in place")


def real(value: Any) -> Any:
    """The value with every Activation in it, also inside lists, tuples and dicts, as a real tensor."""
    if isinstance(value, Activation):
        return value.tensor()
    if isinstance(value, (list, tuple)) and holds_activation(value):
        return type(value)(real(item) for item in value)
    if isinstance(value, dict):
        return {key: real(item) for key, item in value.items()}
    return value


def holds_activation(values: Any) -> bool:
    """Whether an Activation is among the values, also inside lists and tuples."""
    return any(
        isinstance(value, Activation) or (isinstance(value, (list, tuple)) and holds_activation(value))
        for value in values
    )


def enter(value: Any, element: int) -> Any:
    """A float32 image batch as an Activation; anything else as it is."""
    if isinstance(value, paddle.Tensor) and value.ndim == 4 and value.dtype == paddle.float32 and value.size:
        return Activation.of(Enter.apply(value, element))
    return value
