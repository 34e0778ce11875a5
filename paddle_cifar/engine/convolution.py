"""2-D convolution: forward, gradient of the image, gradients of weight and bias.

The parameters stay Paddle's float32 [out, in / groups, kh, kw]; every step packs them into the layout (and the
precision) the primitive wants, and unpacks the weight's gradient, a small cost beside the convolution.
"""

from __future__ import annotations

from ctypes import c_int, c_void_p
from dataclasses import dataclass, field
from typing import Any

import paddle
from paddle.autograd import PyLayer

from paddle_cifar.engine import dnnl
from paddle_cifar.engine.primitive import Primitive, cached
from paddle_cifar.engine.tensors import (
    Shape,
    alias,
    element_type,
    image_shape,
    new_bytes,
    new_image,
    new_vector,
    packed,
    reorder,
)


@dataclass(frozen=True)
class Geometry:
    """How the kernel walks the image. `padding` is top, left, bottom, right."""

    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    def output_size(self, size: int, kernel: int, axis: int) -> int:
        reach = self.dilation[axis] * (kernel - 1) + 1
        return (size + self.padding[axis] + self.padding[axis + 2] - reach) // self.stride[axis] + 1


@dataclass(frozen=True)
class Problem:
    """Everything a convolution's machine code depends on."""

    image: Shape
    weight: tuple[int, ...]
    geometry: Geometry
    element: int
    bias: bool
    grouped_weight: tuple[int, ...] = field(init=False)
    output: Shape = field(init=False)

    def __post_init__(self) -> None:
        filters, depth, *kernel = self.weight
        groups = self.geometry.groups
        grouped = self.weight if groups == 1 else (groups, filters // groups, depth, *kernel)
        height, width = (
            self.geometry.output_size(self.image[2 + axis], kernel[axis], axis) for axis in (0, 1)
        )
        object.__setattr__(self, "grouped_weight", tuple(grouped))
        object.__setattr__(self, "output", (self.image[0], filters, height, width))

    def descriptors(self, weight_element: int) -> tuple[c_void_p, c_void_p, c_void_p | None, c_void_p]:
        """Image, weight, bias and output, in the order the C API takes them."""
        return (
            dnnl.channels_last(self.image, self.element),
            dnnl.any_layout(self.grouped_weight, weight_element),
            dnnl.vector(self.output[1]) if self.bias else None,
            dnnl.channels_last(self.output, self.element),
        )

    def walk(self) -> tuple[Any, ...]:
        """Strides, dilations (oneDNN counts the gaps) and paddings."""
        geometry = self.geometry
        gaps = tuple(step - 1 for step in geometry.dilation)
        return tuple(map(dnnl.dims, (geometry.stride, gaps, geometry.padding[:2], geometry.padding[2:])))

    def master_weight(self) -> c_void_p:
        """The layout of Paddle's own parameter."""
        return dnnl.descriptor(self.grouped_weight, dnnl.FLOAT32)

    def channels_last_weight(self, element: int) -> c_void_p:
        """[out, kh, kw, in / groups], on the way between Paddle's layout and any of oneDNN's: two easy
        transpositions take a quarter of the time of a hard one."""
        *outer, depth, high, broad = self.grouped_weight
        row = depth * high * broad
        strides = ([outer[-1] * row] if len(outer) > 1 else []) + [row, 1, broad * depth, depth]
        return dnnl.descriptor(self.grouped_weight, element, tuple(strides))


@cached
def forward_primitive(problem: Problem) -> Primitive:
    return Primitive(
        "convolution_forward",
        c_int(dnnl.TRAINING),
        c_int(dnnl.CONVOLUTION),
        *problem.descriptors(problem.element),
        *problem.walk(),
    )


@cached
def image_gradient_primitive(problem: Problem) -> Primitive:
    image, weight, _, output = problem.descriptors(problem.element)
    hint = forward_primitive(problem).description
    return Primitive(
        "convolution_backward_data", c_int(dnnl.CONVOLUTION), image, weight, output, *problem.walk(), hint
    )


@cached
def weight_gradient_primitive(problem: Problem) -> Primitive:
    hint = forward_primitive(problem).description
    return Primitive(
        "convolution_backward_weights",
        c_int(dnnl.CONVOLUTION),
        *problem.descriptors(dnnl.FLOAT32),
        *problem.walk(),
        hint,
    )


def rounded(problem: Problem, weight: paddle.Tensor) -> paddle.Tensor:
    """The weight in the engine's precision, channels last."""
    return packed(weight, problem.master_weight(), problem.channels_last_weight(problem.element))


def unrounded(problem: Problem, raw: paddle.Tensor) -> paddle.Tensor:
    """A float32 gradient that lies channels last, in Paddle's layout."""
    result = paddle.empty(list(problem.weight), dtype="float32")
    layout = problem.channels_last_weight(dnnl.FLOAT32)
    reorder(raw.data_ptr(), layout, result.data_ptr(), problem.master_weight())
    return result


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


class Convolution(PyLayer):
    """conv2d on [N, H, W, C] for Paddle's autograd."""

    @staticmethod
    def forward(ctx: Any, image: paddle.Tensor, weight: paddle.Tensor, bias: Any, geometry: Geometry) -> Any:
        problem = Problem(
            image_shape(image), tuple(weight.shape), geometry, element_type(image), bias is not None
        )
        ctx.problem, ctx.wanted = problem, (not image.stop_gradient, not weight.stop_gradient)
        prepare(problem, *ctx.wanted)
        weight = rounded(problem, weight)
        ctx.save_for_backward(alias(image), weight)
        return convolve(problem, image, weight, bias)

    @staticmethod
    def backward(ctx: Any, gradient: paddle.Tensor) -> Any:
        from paddle_cifar.engine import fastest

        image, weight = ctx.saved_tensor()
        wants_image, wants_weight = ctx.wanted
        of_image = image_gradient(ctx.problem, weight, gradient) if wants_image else None
        of_weight, of_bias = (
            fastest.weight_gradient(ctx.problem, image, gradient) if wants_weight else (None, None)
        )
        return (of_image, of_weight, of_bias) if ctx.problem.bias else (of_image, of_weight)
