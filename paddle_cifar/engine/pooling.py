"""Max and average pooling."""

from __future__ import annotations

from ctypes import c_int
from typing import Any

import paddle
from paddle.autograd import PyLayer

from paddle_cifar.engine import dnnl
from paddle_cifar.engine.primitive import Primitive, cached
from paddle_cifar.engine.tensors import Shape, element_type, image_shape, new_bytes, new_image

Window = tuple[
    tuple[int, int], tuple[int, int], tuple[int, int, int, int]
]  # kernel, stride, padding (t, l, b, r)


@cached
def forward_primitive(shape: Shape, output: Shape, element: int, algorithm: int, window: Window) -> Primitive:
    """The pooling ``algorithm`` from one shape to another."""
    return Primitive(
        "pooling_forward", c_int(dnnl.TRAINING), *_arguments(shape, output, element, algorithm, window)
    )


@cached
def backward_primitive(
    shape: Shape, output: Shape, element: int, algorithm: int, window: Window
) -> Primitive:
    """Its gradient."""
    hint = forward_primitive(shape, output, element, algorithm, window).description
    return Primitive("pooling_backward", *_arguments(shape, output, element, algorithm, window), hint)


def _arguments(shape: Shape, output: Shape, element: int, algorithm: int, window: Window) -> tuple[Any, ...]:
    kernel, stride, padding = window
    layouts = (dnnl.channels_last(shape, element), dnnl.channels_last(output, element))
    return (
        c_int(algorithm),
        *layouts,
        *map(dnnl.dims, (stride, kernel, (0, 0), padding[:2], padding[2:])),
    )


def mean(image: paddle.Tensor) -> paddle.Tensor:
    """[N, 1, 1, C]: the average of each map, outside of autograd."""
    shape, element = image_shape(image), element_type(image)
    result = new_image((*shape[:2], 1, 1), element)
    window = (shape[2:], shape[2:], (0, 0, 0, 0))
    primitive = forward_primitive(shape, (*shape[:2], 1, 1), element, dnnl.POOL_AVERAGE, window)
    primitive.run({dnnl.SRC: image.data_ptr(), dnnl.DST: result.data_ptr()})
    return result


class Pooling(PyLayer):
    """`output` is the height and width of the result."""

    @staticmethod
    def forward(
        ctx: Any, image: paddle.Tensor, output: tuple[int, int], algorithm: int, window: Window
    ) -> paddle.Tensor:
        """[N, H, W, C] to [N, *output, C]."""
        shape, element = image_shape(image), element_type(image)
        key = (shape, (*shape[:2], *output), element, algorithm, window)
        primitive = forward_primitive(*key)
        backward_primitive(*key)  # now, while a refusal can still be handled
        result = new_image(key[1], element)
        pointers = {dnnl.SRC: image.data_ptr(), dnnl.DST: result.data_ptr()}
        workspace = None
        if algorithm == dnnl.POOL_MAX:  # remembers where each maximum was
            workspace = new_bytes(primitive.size(dnnl.WORKSPACE))
            pointers[dnnl.WORKSPACE] = workspace.data_ptr()
        primitive.run(pointers)
        ctx.save_for_backward(workspace)
        ctx.key = key
        return result

    @staticmethod
    def backward(ctx: Any, gradient: paddle.Tensor) -> paddle.Tensor:
        """The gradient [N, *output, C] to [N, H, W, C]."""
        (workspace,) = ctx.saved_tensor()
        shape, _, element, *_ = ctx.key
        result = new_image(shape, element)
        pointers = {dnnl.DIFF_DST: gradient.data_ptr(), dnnl.DIFF_SRC: result.data_ptr()}
        if workspace is not None:
            pointers[dnnl.WORKSPACE] = workspace.data_ptr()
        backward_primitive(*ctx.key).run(pointers)
        return result
