"""What joins image batches besides addition: channels side by side (DenseNet), channels weighed by a gate
(SE).
"""

from __future__ import annotations

from ctypes import c_int, c_void_p
from typing import Any

import paddle
from paddle.autograd import PyLayer

from paddle_cifar.engine import dnnl, pooling
from paddle_cifar.engine.primitive import Primitive, cached
from paddle_cifar.engine.tensors import (
    BYTES,
    Shape,
    alias,
    element_type,
    image_shape,
    new_image,
    reorder,
    to_channels_first,
    to_channels_last,
)


def _slice_layout(shape: Shape, total: int, element: int) -> c_void_p:
    """Some of the `total` channels of a batch that lies as [N, H, W, total]."""
    _, _, height, width = shape
    return dnnl.descriptor(shape, element, (height * width * total, 1, width * total, total))


class Concatenation(PyLayer):
    """Image batches side by side along their channels."""

    @staticmethod
    def forward(ctx: Any, *images: paddle.Tensor) -> paddle.Tensor:
        """Batches [N, H, W, C1], [N, H, W, C2], ... to [N, H, W, C1 + C2 + ...]."""
        ctx.shapes = [image_shape(image) for image in images]
        ctx.element = element_type(images[0])
        ctx.wanted = [not image.stop_gradient for image in images]
        batch, _, height, width = ctx.shapes[0]
        ctx.total = sum(shape[1] for shape in ctx.shapes)
        result = new_image((batch, ctx.total, height, width), ctx.element)
        start = result.data_ptr()
        for image, shape in zip(images, ctx.shapes, strict=True):
            whole = dnnl.channels_last(shape, ctx.element)
            reorder(image.data_ptr(), whole, start, _slice_layout(shape, ctx.total, ctx.element))
            start += shape[1] * BYTES[ctx.element]
        return result

    @staticmethod
    def backward(ctx: Any, gradient: paddle.Tensor) -> Any:
        """The part of the gradient that belongs to each batch that wants one."""
        results, start = [], gradient.data_ptr()
        for shape, wanted in zip(ctx.shapes, ctx.wanted, strict=True):
            part = new_image(shape, ctx.element) if wanted else None
            if part is not None:
                whole = dnnl.channels_last(shape, ctx.element)
                reorder(start, _slice_layout(shape, ctx.total, ctx.element), part.data_ptr(), whole)
            results.append(part)
            start += shape[1] * BYTES[ctx.element]
        return tuple(results)


@cached
def _product(shape: Shape, other: Shape, element: int) -> Primitive:
    layout = dnnl.channels_last(shape, element)
    return Primitive("binary", c_int(dnnl.MULTIPLY), layout, dnnl.channels_last(other, element), layout)


def _multiply(image: paddle.Tensor, other: paddle.Tensor) -> paddle.Tensor:
    shape, element = image_shape(image), element_type(image)
    result = new_image(shape, element)
    _product(shape, image_shape(other), element).run(
        {dnnl.SRC: image.data_ptr(), dnnl.SRC_1: other.data_ptr(), dnnl.DST: result.data_ptr()}
    )
    return result


class Gate(PyLayer):
    """An image batch times a real tensor [N, C, 1, 1]: one float32 number for each image and channel."""

    @staticmethod
    def forward(ctx: Any, image: paddle.Tensor, gate: paddle.Tensor) -> paddle.Tensor:
        """[N, H, W, C] and [N, C, 1, 1] to [N, H, W, C]."""
        ctx.wanted = (not image.stop_gradient, not gate.stop_gradient)
        gate = to_channels_last(gate, element_type(image))
        ctx.save_for_backward(alias(image), gate)
        return _multiply(image, gate)

    @staticmethod
    def backward(ctx: Any, gradient: paddle.Tensor) -> Any:
        """The gradients of image and gate, for each that wants one."""
        image, gate = ctx.saved_tensor()
        wants_image, wants_gate = ctx.wanted
        of_image = _multiply(gradient, gate) if wants_image else None
        pixels = image.shape[1] * image.shape[2]
        of_gate = to_channels_first(pooling.mean(_multiply(gradient, image))) * pixels if wants_gate else None
        return of_image, of_gate
