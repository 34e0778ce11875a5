"""Paddle's layers and functions, each with its fast path. What is not in the two tables at the end runs on Paddle.

A fast path returns NotImplemented where it does not cover the options it was given.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import paddle
from paddle import nn

from paddle_cifar.engine import dnnl
from paddle_cifar.engine.activation import Activation, add
from paddle_cifar.engine.convolution import Convolution, Geometry
from paddle_cifar.engine.elementwise import FROM_OUTPUT, ActivationFunction
from paddle_cifar.engine.normalization import BatchNormalization
from paddle_cifar.engine.pooling import Pooling


def conv2d(layer: nn.Conv2D, image: Activation) -> Any:
    if layer._padding_mode != "zeros" or layer._padding_algorithm == "SAME" or layer._data_format != "NCHW":
        return NotImplemented
    padding = tuple(layer._updated_padding)
    # Paddle lists four paddings as top, bottom, left, right; oneDNN takes top, left and bottom, right.
    padding = padding * 2 if len(padding) == 2 else (padding[0], padding[2], padding[1], padding[3])
    geometry = Geometry(tuple(layer._stride), padding, tuple(layer._dilation), layer._groups)
    return Activation.of(Convolution.apply(image.take(), layer.weight, layer.bias, geometry))


def batch_norm(layer: Any, image: Activation) -> Any:
    layout = getattr(layer, "_data_format", None) or getattr(layer, "_data_layout", "NCHW")
    if layout != "NCHW" or getattr(layer, "_act", None) or getattr(layer, "_trainable_statistics", False):
        return NotImplemented
    if layer.weight is None or layer.bias is None:
        return NotImplemented
    frozen = layer._use_global_stats if layer._use_global_stats is not None else not layer.training
    source, channels = image.take(), image.dims[1]
    differentiable = paddle.is_grad_enabled()
    if frozen:
        mean, variance = layer._mean, layer._variance
    else:
        mean, variance = paddle.empty([channels]), paddle.empty([channels])
    counted = frozen

    def normalise(relu: bool) -> paddle.Tensor:
        nonlocal counted
        result = BatchNormalization.apply(
            source,
            layer.weight,
            layer.bias,
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

    return Activation(image.dims, pending=normalise)


@paddle.no_grad()
def _follow(running: paddle.Tensor, batch: paddle.Tensor, momentum: float) -> None:
    """running * momentum + batch * (1 - momentum), in place."""
    running.scale_(momentum)
    running.add_(batch * (1.0 - momentum))


def relu(image: Activation, *_: Any, **__: Any) -> Any:
    if image.pending is not None and image._image is None:
        return Activation.of(image.pending(True))
    return _function(image, dnnl.RELU)


def silu(image: Activation, *_: Any, **__: Any) -> Any:
    return _function(image, dnnl.SWISH, 1.0)


def sigmoid(image: Activation, *_: Any, **__: Any) -> Any:
    return _function(image, dnnl.SIGMOID)


def leaky_relu(image: Activation, negative_slope: float = 0.01, *_: Any, **__: Any) -> Any:
    return _function(image, dnnl.RELU, float(negative_slope)) if negative_slope > 0 else NotImplemented


def gelu(image: Activation, approximate: bool = False, *_: Any, **__: Any) -> Any:
    return _function(image, dnnl.GELU_TANH if approximate else dnnl.GELU_ERF)


def _function(image: Activation, algorithm: int, alpha: float = 0.0) -> Activation:
    source = image.take()
    assert algorithm not in FROM_OUTPUT or alpha >= 0
    return Activation.of(ActivationFunction.apply(source, algorithm, alpha))


def dropout(
    image: Activation, p: float = 0.5, axis: Any = None, training: bool = True, *_: Any, **__: Any
) -> Any:
    return image if p == 0 or not training else NotImplemented


def identity(layer: nn.Layer, image: Activation) -> Any:
    return image


def max_pool2d(
    image: Activation, kernel_size: Any, stride: Any = None, padding: Any = 0, return_mask: bool = False,
    ceil_mode: bool = False, data_format: str = "NCHW", *_: Any, **__: Any,
) -> Any:  # fmt: skip
    if return_mask or data_format != "NCHW":
        return NotImplemented
    return _pool(image, kernel_size, stride, padding, ceil_mode, dnnl.POOL_MAX)


def avg_pool2d(
    image: Activation, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    exclusive: bool = True, divisor_override: Any = None, data_format: str = "NCHW", *_: Any, **__: Any,
) -> Any:  # fmt: skip
    if divisor_override is not None or data_format != "NCHW" or (ceil_mode and not exclusive):
        return NotImplemented
    algorithm = dnnl.POOL_AVERAGE if exclusive else dnnl.POOL_AVERAGE_PADDED
    return _pool(image, kernel_size, stride, padding, ceil_mode, algorithm)


def adaptive_avg_pool2d(
    image: Activation, output_size: Any, data_format: str = "NCHW", *_: Any, **__: Any
) -> Any:
    sides = _pair(output_size)
    height, width = image.dims[2:]
    if sides is None or data_format != "NCHW" or height % sides[0] or width % sides[1]:
        return NotImplemented
    kernel = (height // sides[0], width // sides[1])
    window = (kernel, kernel, (0, 0, 0, 0))
    return Activation.of(Pooling.apply(image.take(), sides, dnnl.POOL_AVERAGE, window))


def _pool(image: Activation, kernel: Any, stride: Any, padding: Any, ceil_mode: bool, algorithm: int) -> Any:
    kernel, padding = _pair(kernel), _pair(padding)
    stride = kernel if stride is None else _pair(stride)
    if kernel is None or stride is None or padding is None:
        return NotImplemented
    output, far = [], []
    for size, reach, step, pad in zip(image.dims[2:], kernel, stride, padding, strict=True):
        room = size + 2 * pad - reach + (step - 1 if ceil_mode else 0)
        steps = room // step
        output.append(steps + 1)
        far.append(steps * step + reach - size - pad)  # what the last window reaches beyond the image
        if steps < 0 or far[-1] >= reach:
            return NotImplemented
    window = (kernel, stride, (*padding, *far))
    return Activation.of(Pooling.apply(image.take(), tuple(output), algorithm, window))


def _pair(value: Any) -> tuple[int, int] | None:
    if isinstance(value, int):
        return value, value
    if isinstance(value, (list, tuple)) and len(value) == 2 and all(isinstance(item, int) for item in value):
        return tuple(value)  # type: ignore[return-value]
    return None


def flatten(image: Activation, start_axis: int = 0, stop_axis: int = -1, *_: Any, **__: Any) -> Any:
    """After global pooling a flattened batch has the same memory, but it is the head's from here: float32."""
    return paddle.flatten(image.tensor(), start_axis, stop_axis)


LAYERS: dict[type, Callable[..., Any]] = {
    nn.Conv2D: conv2d,
    nn.BatchNorm2D: batch_norm,
    nn.BatchNorm: batch_norm,
    nn.Identity: identity,
}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "relu": relu,
    "relu_": relu,
    "silu": silu,
    "swish": silu,
    "gelu": gelu,
    "sigmoid": sigmoid,
    "leaky_relu": leaky_relu,
    "dropout": dropout,
    "max_pool2d": max_pool2d,
    "avg_pool2d": avg_pool2d,
    "adaptive_avg_pool2d": adaptive_avg_pool2d,
    "add": add,
}
