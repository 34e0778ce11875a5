"""oneDNN's own convolution: forward, gradient of the image, gradients of weight and bias.

The parameters stay Paddle's float32 [out, in / groups, kh, kw]; every step packs them into the layout (and
the precision) the primitive wants, and unpacks the weight's gradient, a small cost beside the convolution.
"""

from __future__ import annotations

from ctypes import c_int
from typing import Any

import paddle

from paddle_cifar.engine import dnnl
from paddle_cifar.engine.primitive import Primitive, cached
from paddle_cifar.engine.problem import Problem, unrounded
from paddle_cifar.engine.tensors import new_bytes, new_image, new_vector, packed


@cached
def forward_primitive(problem: Problem) -> Primitive:
    """The convolution itself."""
    return Primitive(
        "convolution_forward",
        c_int(dnnl.TRAINING),
        c_int(dnnl.CONVOLUTION),
        *problem.descriptors(problem.element),
        *problem.walk(),
    )


@cached
def image_gradient_primitive(problem: Problem) -> Primitive:
    """From the gradient of the output to that of the image."""
    image, weight, _, output = problem.descriptors(problem.element)
    hint = forward_primitive(problem).description
    return Primitive(
        "convolution_backward_data", c_int(dnnl.CONVOLUTION), image, weight, output, *problem.walk(), hint
    )


@cached
def weight_gradient_primitive(problem: Problem) -> Primitive:
    """From image and gradient of the output to the gradients of weight and bias."""
    hint = forward_primitive(problem).description
    return Primitive(
        "convolution_backward_weights",
        c_int(dnnl.CONVOLUTION),
        *problem.descriptors(dnnl.FLOAT32),
        *problem.walk(),
        hint,
    )


def convolve(problem: Problem, image: paddle.Tensor, weight: paddle.Tensor, bias: Any) -> paddle.Tensor:
    """`weight` is `rounded`."""
    primitive = forward_primitive(problem)
    weights = packed(weight, problem.channels_last_weight(problem.element), primitive.layout(dnnl.WEIGHTS))
    result = new_image(problem.output, problem.element)
    pointers = {dnnl.SRC: image.data_ptr(), dnnl.WEIGHTS: weights.data_ptr(), dnnl.DST: result.data_ptr()}
    if bias is not None:
        pointers[dnnl.BIAS] = bias.data_ptr()
    primitive.run(pointers)
    return result


def image_gradient(problem: Problem, weight: paddle.Tensor, gradient: paddle.Tensor) -> paddle.Tensor:
    """`weight` is `rounded`."""
    primitive = image_gradient_primitive(problem)
    weights = packed(weight, problem.channels_last_weight(problem.element), primitive.layout(dnnl.WEIGHTS))
    result = new_image(problem.image, problem.element)
    primitive.run(
        {
            dnnl.DIFF_DST: gradient.data_ptr(),
            dnnl.WEIGHTS: weights.data_ptr(),
            dnnl.DIFF_SRC: result.data_ptr(),
        }
    )
    return result


def weight_gradient(
    problem: Problem, image: paddle.Tensor, gradient: paddle.Tensor
) -> tuple[paddle.Tensor, paddle.Tensor | None]:
    """The float32 gradients of weight and bias, in Paddle's layout."""
    primitive = weight_gradient_primitive(problem)
    raw = new_bytes(primitive.size(dnnl.DIFF_WEIGHTS))
    pointers = {
        dnnl.SRC: image.data_ptr(),
        dnnl.DIFF_DST: gradient.data_ptr(),
        dnnl.DIFF_WEIGHTS: raw.data_ptr(),
    }
    bias = new_vector(problem.output[1]) if problem.bias else None
    if bias is not None:
        pointers[dnnl.DIFF_BIAS] = bias.data_ptr()
    primitive.run(pointers)
    channels_last = problem.channels_last_weight(dnnl.FLOAT32)
    return unrounded(problem, packed(raw, primitive.layout(dnnl.DIFF_WEIGHTS), channels_last)), bias


def prepare(problem: Problem, image_wanted: bool, weight_wanted: bool) -> None:
    """Make what the backward pass will need now, while a refusal can still send the layer to Paddle."""
    if image_wanted:
        image_gradient_primitive(problem)
    if weight_wanted:
        weight_gradient_primitive(problem)
