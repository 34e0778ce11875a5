"""Batch normalisation, with the ReLU that follows it folded in."""

from __future__ import annotations

from ctypes import c_float, c_int, c_uint
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
)

# oneDNN's first choice lets its threads wait for each other in a spin loop: a little faster on an idle
# machine, but ten times slower as soon as anything else (a data loader) wants a core. This one has no such
# barrier.
PREFERRED = "bnorm_tbb_jit"


@cached
def forward_primitive(shape: Shape, element: int, epsilon: float, flags: int, training: bool) -> Primitive:
    """The normalisation, with statistics given or its own."""
    layout = dnnl.channels_last(shape, element)
    kind = dnnl.TRAINING if training else dnnl.INFERENCE
    numbers = (c_float(epsilon), c_uint(flags))
    return Primitive("batch_normalization_forward", c_int(kind), layout, layout, *numbers, prefer=PREFERRED)


@cached
def backward_primitive(shape: Shape, element: int, epsilon: float, flags: int) -> Primitive:
    """Its gradients of image, scale and shift."""
    layout = dnnl.channels_last(shape, element)
    hint = forward_primitive(shape, element, epsilon, flags, True).description
    return Primitive(
        "batch_normalization_backward",
        c_int(dnnl.BACKWARD),
        layout,
        layout,
        layout,
        c_float(epsilon),
        c_uint(flags),
        hint,
        prefer=PREFERRED,
    )


class BatchNormalization(PyLayer):
    """(image - mean) / sqrt(variance + epsilon) * scale + shift, then ReLU if asked.

    `mean` and `variance` are read where `frozen` (the running statistics) and written otherwise (the batch's
    own).
    """

    @staticmethod
    def forward(
        ctx: Any,
        image: paddle.Tensor,
        scale: paddle.Tensor,
        shift: paddle.Tensor,
        mean: paddle.Tensor,
        variance: paddle.Tensor,
        epsilon: float,
        frozen: bool,
        relu: bool,
        differentiable: bool,
    ) -> paddle.Tensor:
        """The image batch [N, H, W, C], normalised; the other tensors are float32 (C,)."""
        shape, element = image_shape(image), element_type(image)
        flags = dnnl.USE_SCALE | dnnl.USE_SHIFT | frozen * dnnl.GLOBAL_STATISTICS | relu * dnnl.FUSE_RELU
        primitive = forward_primitive(shape, element, epsilon, flags, differentiable or not frozen)
        if differentiable:
            backward_primitive(shape, element, epsilon, flags)  # now, while a refusal can still be handled
        result = new_image(shape, element)
        pointers = {
            dnnl.SRC: image.data_ptr(),
            dnnl.DST: result.data_ptr(),
            dnnl.SCALE: scale.data_ptr(),
            dnnl.SHIFT: shift.data_ptr(),
            dnnl.MEAN: mean.data_ptr(),
            dnnl.VARIANCE: variance.data_ptr(),
        }
        workspace = None
        if relu and (differentiable or not frozen):  # remembers which values the ReLU let through
            workspace = new_bytes(primitive.size(dnnl.WORKSPACE))
            pointers[dnnl.WORKSPACE] = workspace.data_ptr()
        primitive.run(pointers)
        ctx.save_for_backward(alias(image), scale, alias(mean), alias(variance), workspace)
        ctx.key = (shape, element, epsilon, flags)
        ctx.wanted = [not tensor.stop_gradient for tensor in (image, scale, shift)]
        return result

    @staticmethod
    def backward(ctx: Any, gradient: paddle.Tensor) -> Any:
        """The gradients of image, scale and shift, for each that wants one."""
        image, scale, mean, variance, workspace = ctx.saved_tensor()
        shape, element, *_ = ctx.key
        of_image = new_image(shape, element)
        of_scale, of_shift = new_vector(shape[1]), new_vector(shape[1])
        pointers = {
            dnnl.SRC: image.data_ptr(),
            dnnl.DIFF_DST: gradient.data_ptr(),
            dnnl.DIFF_SRC: of_image.data_ptr(),
            dnnl.SCALE: scale.data_ptr(),
            dnnl.MEAN: mean.data_ptr(),
            dnnl.VARIANCE: variance.data_ptr(),
            dnnl.DIFF_SCALE: of_scale.data_ptr(),
            dnnl.DIFF_SHIFT: of_shift.data_ptr(),
        }
        if workspace is not None:
            pointers[dnnl.WORKSPACE] = workspace.data_ptr()
        backward_primitive(*ctx.key).run(pointers)
        gradients = zip((of_image, of_scale, of_shift), ctx.wanted, strict=True)
        return *(gradient if wanted else None for gradient, wanted in gradients), None, None
