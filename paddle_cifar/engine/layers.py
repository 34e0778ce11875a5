"""Paddle's layers with parameters, each with its fast path: LAYERS, by type.

A subclass with a forward of its own may do anything, so it runs on Paddle, as does any other layer; one that
only calls a function meets the fast path of that function. A fast path returns NotImplemented where it lacks
a layer's options.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import paddle
from paddle import nn

from paddle_cifar.engine import folding
from paddle_cifar.engine.activation import Activation
from paddle_cifar.engine.convolution import Convolution
from paddle_cifar.engine.functions import relu as relu_of
from paddle_cifar.engine.normalization import BatchNormalization
from paddle_cifar.engine.primitive import cached
from paddle_cifar.engine.problem import Geometry
from paddle_cifar.engine.tensors import new_vector


def _plain(*parameters: paddle.Tensor | None) -> bool:
    """Whether the engine may read the parameters where they lie."""
    return all(each is None or (each.dtype == paddle.float32 and each.is_contiguous()) for each in parameters)


def conv2d(layer: nn.Conv2D, image: Activation) -> Any:
    """``nn.Conv2D`` with zeros around the image."""
    if layer._padding_mode != "zeros" or layer._padding_algorithm == "SAME" or layer._data_format != "NCHW":
        return NotImplemented
    if not _plain(layer.weight, layer.bias):
        return NotImplemented
    padding = tuple(layer._updated_padding)
    # Paddle lists four paddings as top, bottom, left, right; oneDNN takes top, left and bottom, right.
    padding = padding * 2 if len(padding) == 2 else (padding[0], padding[2], padding[1], padding[3])
    geometry = Geometry(tuple(layer._stride), padding, tuple(layer._dilation), layer._groups)
    if layer.training or paddle.is_grad_enabled():
        folding.forget(layer)
    if not paddle.is_grad_enabled():
        return folding.waiting(layer, geometry, image)
    return Activation.of(Convolution.apply(image.take(), layer.weight, layer.bias, geometry))


def batch_norm(layer: Any, image: Activation) -> Any:
    """``nn.BatchNorm2D`` and ``nn.BatchNorm``, put off until it is known whether a ReLU follows."""
    layout = getattr(layer, "_data_format", None) or getattr(layer, "_data_layout", "NCHW")
    following = getattr(layer, "_act", None)  # nn.BatchNorm may have an activation function of its own
    if layout != "NCHW" or following not in (None, "relu") or getattr(layer, "_trainable_statistics", False):
        return NotImplemented
    if layer._mean.shape[0] != image.dims[1]:
        return NotImplemented
    if not _plain(layer.weight, layer.bias, layer._mean, layer._variance):
        return NotImplemented
    # None says "as in training or evaluation"; nn.BatchNorm, which says False instead, means the same by it.
    fixed = layer._use_global_stats or None if isinstance(layer, nn.BatchNorm) else layer._use_global_stats
    frozen = not layer.training if fixed is None else fixed
    channels = image.dims[1]
    scale = _constant(channels, 1.0) if layer.weight is None else layer.weight
    shift = _constant(channels, 0.0) if layer.bias is None else layer.bias
    differentiable = paddle.is_grad_enabled()
    if frozen and not differentiable:
        norm = folding.Norm(scale, shift, layer._mean, layer._variance, layer._epsilon)
        folded = folding.with_norm(image, norm)
        if folded is not None:
            return relu_of(folded) if following else folded
    if frozen:
        mean, variance = layer._mean, layer._variance
    else:
        mean, variance = new_vector(channels), new_vector(channels)
    counted = frozen

    def normalise(relu: bool) -> paddle.Tensor:
        nonlocal counted
        result = BatchNormalization.apply(
            image.take(),
            scale,
            shift,
            mean,
            variance,
            layer._epsilon,
            bool(frozen),
            relu,
            differentiable,
        )
        if not counted:
            _follow(layer._mean, mean, layer._momentum)
            _follow(layer._variance, variance, layer._momentum)
            counted = True
        return result

    result = Activation(image.dims, pending=normalise)
    return relu_of(result) if following else result


@cached
def _constant(channels: int, value: float) -> paddle.Tensor:
    """The scale or shift of a norm without one."""
    return paddle.full([channels], value, dtype="float32")


@paddle.no_grad()
def _follow(running: paddle.Tensor, batch: paddle.Tensor, momentum: float) -> None:
    """running * momentum + batch * (1 - momentum), in place."""
    running.scale_(momentum)
    running.add_(batch * (1.0 - momentum))


LAYERS: dict[type, Callable[..., Any]] = {
    nn.Conv2D: conv2d,
    nn.BatchNorm2D: batch_norm,
    nn.BatchNorm: batch_norm,
}
