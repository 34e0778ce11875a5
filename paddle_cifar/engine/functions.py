"""Paddle's functions, each with its fast path: FUNCTIONS, by name. What is not there runs on Paddle.

A fast path returns NotImplemented where it does not cover the options it was given.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from paddle_cifar.engine import dnnl
from paddle_cifar.engine.activation import Activation, enter
from paddle_cifar.engine.arithmetic import add, mean, multiply
from paddle_cifar.engine.elementwise import ActivationFunction
from paddle_cifar.engine.joining import Concatenation
from paddle_cifar.engine.pooling import Pooling


def relu(image: Activation, *_: Any, **__: Any) -> Any:
    """``paddle.nn.functional.relu``; a layer that has been put off takes it along."""
    if image.pending is not None and image._image is None:
        return Activation.of(image.compute(relu=True))
    return _function(image, dnnl.RELU)


def relu_(image: Activation, *_: Any, **__: Any) -> Any:
    """``relu_``: whoever holds the image sees the change."""
    return image.become(relu(image))


def hardsigmoid(image: Activation, slope: float = 1 / 6, offset: float = 0.5, *_: Any, **__: Any) -> Any:
    """``hardsigmoid``."""
    return _function(image, dnnl.HARDSIGMOID, slope, offset)


def leaky_relu(image: Activation, negative_slope: float = 0.01, *_: Any, **__: Any) -> Any:
    """``leaky_relu``, for slopes above 0."""
    return _function(image, dnnl.RELU, negative_slope) if negative_slope > 0 else NotImplemented


def gelu(image: Activation, approximate: bool = False, *_: Any, **__: Any) -> Any:
    """``gelu``, exact or by tanh."""
    if not isinstance(approximate, bool):
        return NotImplemented
    return _function(image, dnnl.GELU_TANH if approximate else dnnl.GELU_ERF)


def _function(image: Activation, algorithm: int, alpha: float = 0.0, beta: float = 0.0) -> Activation:
    return Activation.of(ActivationFunction.apply(image.take(), algorithm, (float(alpha), float(beta))))


def _applied(algorithm: int, alpha: float = 0.0, beta: float = 0.0) -> Callable[..., Any]:
    """The fast path of an activation function without options."""

    def fast(image: Activation, *_: Any, **__: Any) -> Any:
        return _function(image, algorithm, alpha, beta)

    return fast


def dropout(
    image: Activation, p: float = 0.5, axis: Any = None, training: bool = True, *others: Any,
    mode: str = "upscale_in_train", **__: Any,
) -> Any:  # fmt: skip
    """``dropout`` where it does nothing: in evaluation only where it scales in training."""
    nothing = p == 0 or (not training and not others and mode == "upscale_in_train")
    return image if nothing else NotImplemented


def max_pool2d(
    image: Activation, kernel_size: Any, stride: Any = None, padding: Any = 0, return_mask: bool = False,
    ceil_mode: bool = False, data_format: str = "NCHW", *_: Any, **__: Any,
) -> Any:  # fmt: skip
    """``max_pool2d`` of zero or even padding, without the mask."""
    if return_mask or data_format != "NCHW":
        return NotImplemented
    return _pool(image, kernel_size, stride, padding, ceil_mode, dnnl.POOL_MAX)


def avg_pool2d(
    image: Activation, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    exclusive: bool = True, divisor_override: Any = None, data_format: str = "NCHW", *_: Any, **__: Any,
) -> Any:  # fmt: skip
    """``avg_pool2d``, but not with a divisor of its own."""
    if divisor_override is not None or data_format != "NCHW" or (ceil_mode and not exclusive):
        return NotImplemented
    algorithm = dnnl.POOL_AVERAGE if exclusive else dnnl.POOL_AVERAGE_PADDED
    return _pool(image, kernel_size, stride, padding, ceil_mode, algorithm)


def adaptive_avg_pool2d(
    image: Activation, output_size: Any, data_format: str = "NCHW", *_: Any, **__: Any
) -> Any:
    """``adaptive_avg_pool2d`` where all windows are alike."""
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


def concat(images: Any, axis: Any = 0, *_: Any, **__: Any) -> Any:
    """Channels side by side; the images may include real tensors."""
    element = next(image.element for image in images if isinstance(image, Activation))
    entered = [enter(image, element) for image in images]
    if axis not in (1, -3) or not all(isinstance(image, Activation) for image in entered):
        return NotImplemented
    if len({(image.dims[0], *image.dims[2:]) for image in entered}) != 1:
        return NotImplemented
    return Activation.of(Concatenation.apply(*(image.take() for image in entered)))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "relu": relu,
    "relu_": relu_,
    "silu": _applied(dnnl.SWISH, 1.0),
    "swish": _applied(dnnl.SWISH, 1.0),
    "gelu": gelu,
    "sigmoid": _applied(dnnl.SIGMOID),
    "relu6": _applied(dnnl.CLIP, 0.0, 6.0),
    "hardswish": _applied(dnnl.HARDSWISH, 1 / 6, 0.5),
    "hardsigmoid": hardsigmoid,
    "mish": _applied(dnnl.MISH),
    "tanh": _applied(dnnl.TANH),
    "leaky_relu": leaky_relu,
    "dropout": dropout,
    "max_pool2d": max_pool2d,
    "avg_pool2d": avg_pool2d,
    "adaptive_avg_pool2d": adaptive_avg_pool2d,
    "add": add,
    "multiply": multiply,
    "concat": concat,
    "mean": mean,
}
