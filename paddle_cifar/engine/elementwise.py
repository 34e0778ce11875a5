"""What works on each value by itself: activation functions, the residual addition, and the fork of a
gradient.
"""

from __future__ import annotations

from ctypes import c_float, c_int
from typing import Any

import paddle
from paddle.autograd import PyLayer

from paddle_cifar.engine import dnnl
from paddle_cifar.engine.primitive import Primitive, cached
from paddle_cifar.engine.tensors import Shape, accumulate, alias, element_type, image_shape, new_image, sum_of

# Functions whose gradient oneDNN finds from the result, so the input need not be kept.
FROM_OUTPUT = {dnnl.RELU: dnnl.RELU_FROM_OUTPUT, dnnl.SIGMOID: dnnl.SIGMOID_FROM_OUTPUT}
Numbers = tuple[float, float]  # what oneDNN calls alpha and beta: a slope, a bound, an offset


@cached
def forward_primitive(shape: Shape, element: int, algorithm: int, numbers: Numbers) -> Primitive:
    """The activation function ``algorithm`` on image batches of a shape and type."""
    layout = dnnl.channels_last(shape, element)
    return Primitive(
        "eltwise_forward", c_int(dnnl.TRAINING), c_int(algorithm), layout, layout, *map(c_float, numbers)
    )


@cached
def backward_primitive(shape: Shape, element: int, algorithm: int, numbers: Numbers) -> Primitive:
    """Its gradient."""
    layout = dnnl.channels_last(shape, element)
    hint = forward_primitive(shape, element, algorithm, numbers).description
    return Primitive(
        "eltwise_backward", c_int(algorithm), layout, layout, layout, *map(c_float, numbers), hint
    )


def activation_gradient(
    kept: paddle.Tensor, gradient: paddle.Tensor, algorithm: int, numbers: Numbers = (0.0, 0.0)
) -> paddle.Tensor:
    """The gradient before an activation function; `kept` is its result where FROM_OUTPUT has it, else its
    input.
    """
    shape, element = image_shape(gradient), element_type(gradient)
    result = new_image(shape, element)
    kind = dnnl.DST if algorithm in FROM_OUTPUT else dnnl.SRC
    backward_primitive(shape, element, FROM_OUTPUT.get(algorithm, algorithm), numbers).run(
        {kind: kept.data_ptr(), dnnl.DIFF_DST: gradient.data_ptr(), dnnl.DIFF_SRC: result.data_ptr()}
    )
    return result


class ActivationFunction(PyLayer):
    """ReLU, SiLU, GELU and their kin."""

    @staticmethod
    def forward(ctx: Any, image: paddle.Tensor, algorithm: int, numbers: Numbers) -> paddle.Tensor:
        """The function of every value of an image batch [N, H, W, C]."""
        shape, element = image_shape(image), element_type(image)
        result = new_image(shape, element)
        forward_primitive(shape, element, algorithm, numbers).run(
            {dnnl.SRC: image.data_ptr(), dnnl.DST: result.data_ptr()}
        )
        backward_primitive(shape, element, FROM_OUTPUT.get(algorithm, algorithm), numbers)
        ctx.save_for_backward(alias(result if algorithm in FROM_OUTPUT else image))
        ctx.function = (algorithm, numbers)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: paddle.Tensor) -> paddle.Tensor:
        """The gradient before the function, of the same shape."""
        (kept,) = ctx.saved_tensor()
        return activation_gradient(kept, gradient, *ctx.function)


class Addition(PyLayer):
    """The sum of two image batches of one shape, then ReLU if asked: the end of a residual block."""

    @staticmethod
    def forward(ctx: Any, one: paddle.Tensor, other: paddle.Tensor, relu: bool) -> paddle.Tensor:
        """The sum, [N, H, W, C]."""
        shape, element = image_shape(one), element_type(one)
        result = new_image(shape, element)
        sum_of(shape, element, relu).run(
            {dnnl.SRC: one.data_ptr(), dnnl.SRC_1: other.data_ptr(), dnnl.DST: result.data_ptr()}
        )
        ctx.save_for_backward(alias(result) if relu else None)
        ctx.wanted = (not one.stop_gradient, not other.stop_gradient)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: paddle.Tensor) -> Any:
        """The same gradient for each side that wants one."""
        (result,) = ctx.saved_tensor()
        if result is not None:
            gradient = activation_gradient(result, gradient, dnnl.RELU)
        return tuple(alias(gradient) if wanted else None for wanted in ctx.wanted)


class Fork(PyLayer):
    """One tensor for two readers. Paddle cannot add bf16 gradients on a CPU, so their sum is made here."""

    @staticmethod
    def forward(ctx: Any, tensor: paddle.Tensor) -> Any:
        """The same memory twice."""
        ctx.set_materialize_grads(False)
        return alias(tensor), alias(tensor)

    @staticmethod
    def backward(ctx: Any, one: paddle.Tensor | None, other: paddle.Tensor | None) -> Any:
        """The sum of what came back; one side may not have been used."""
        if one is None or other is None:
            return other if one is None else one
        return accumulate(one, other)
