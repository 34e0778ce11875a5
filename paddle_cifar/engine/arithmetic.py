"""What Python's operators do between activations, tensors and numbers."""

from __future__ import annotations

from typing import Any

import paddle

from paddle_cifar.engine import dnnl, elementwise, folding, joining, pooling
from paddle_cifar.engine.activation import Activation, enter, real


def add(one: Any, other: Any, *_: Any, **__: Any) -> Any:
    """The residual addition; anything but two image batches of one shape is left to Paddle."""
    if isinstance(other, Activation) and not isinstance(one, Activation):
        one, other = other, one
    if isinstance(other, (int, float)):
        return _linear(one, 1.0, other)
    if isinstance(other, paddle.Tensor) and tuple(other.shape) == one.dims:
        other = enter(other, one.element)
    if isinstance(other, Activation) and other.dims == one.dims:
        folded = folding.with_addition(one, other)
        if folded is not None:
            return folded
        return Activation(
            one.dims, pending=lambda relu: elementwise.Addition.apply(one.take(), other.take(), relu)
        )
    return real(one) + real(other)


def _linear(image: Activation, slope: float, offset: float) -> Activation:
    numbers = (float(slope), float(offset))
    return Activation.of(elementwise.ActivationFunction.apply(image.take(), dnnl.LINEAR, numbers))


def multiply(one: Any, other: Any, *_: Any, **__: Any) -> Any:
    """All, each channel or each image times a number; any other product is left to Paddle."""
    if isinstance(other, Activation) and (not isinstance(one, Activation) or other.dims[2:] != (1, 1)):
        one, other = other, one
    if isinstance(other, (int, float)):
        return _linear(one, other, 0.0)
    gate = real(other)
    if isinstance(gate, paddle.Tensor) and isinstance(one, Activation) and gate.dtype == paddle.float32:
        batch, channels = one.dims[:2]
        if tuple(gate.shape) in {(batch, channels, 1, 1), (batch, 1, 1, 1)}:
            gate = gate.expand([batch, channels, 1, 1])
            return Activation.of(joining.Gate.apply(one.take(), gate))
    return real(one) * gate


def mean(image: Activation, axis: Any = None, keepdim: bool = False, *_: Any, **__: Any) -> Any:
    """The mean over height and width; over anything else it is left to Paddle."""
    axes = sorted(number % 4 for number in axis) if isinstance(axis, (list, tuple)) else []
    if axes != [2, 3]:
        return paddle.mean(image.tensor(), axis, keepdim)
    window = (image.dims[2:], image.dims[2:], (0, 0, 0, 0))
    result = Activation.of(pooling.Pooling.apply(image.take(), (1, 1), dnnl.POOL_AVERAGE, window))
    return result if keepdim else result.tensor().flatten(1)
