"""Convolution as one matrix product over the whole batch, for the shapes where oneDNN's own code is slow.

Every output position gets a row with the pixels its kernel sees ("columns": [N * H * W, kh * kw * C]). The
weight's gradient is then a single product of the output's gradient and these rows. oneDNN's bf16 weight
gradient for strided and for small maps is up to thirty times slower than that.
"""

from __future__ import annotations

from typing import Any

import paddle

from paddle_cifar.engine import dnnl
from paddle_cifar.engine.primitive import Primitive, cached
from paddle_cifar.engine.problem import Problem, unrounded
from paddle_cifar.engine.tensors import BYTES, new_bytes, new_image, new_vector, reorder


@cached
def applies(problem: Problem) -> bool:
    """Grouped convolutions are many small products: not here. Nor are images, whose three channels give rows
    that cost more to make than their product saves, nor strides that reach beyond the (padded) map: oneDNN
    takes a layout for overlapping where a row's end, with its stride, lies behind the next image's begin."""
    if problem.geometry.groups > 1 or problem.image[1] < 8:
        return False
    top, left, bottom, right = problem.geometry.padding
    room = (problem.image[2] + top + bottom, problem.image[3] + left + right)
    reach = (
        steps * stride for steps, stride in zip(problem.output[2:], problem.geometry.stride, strict=True)
    )
    return all(needed <= size for needed, size in zip(reach, room, strict=True))


@cached
def _copy_rows(rows: int, length: int, pitch: int, element: int, batch: int, batch_pitch: int) -> Primitive:
    """Each image's rows into the middle of a larger, zeroed one."""
    dims = (batch, rows, length)
    target = dnnl.descriptor(dims, element, (batch_pitch, pitch, 1))
    return Primitive("reorder", dnnl.descriptor(dims, element), target)


def padded(problem: Problem, image: paddle.Tensor) -> tuple[paddle.Tensor, int, int]:
    """The image batch with its border of zeros, and its new height and width."""
    batch, channels, height, width = problem.image
    top, left, bottom, right = problem.geometry.padding
    if not (top or left or bottom or right):
        return image, height, width
    tall, wide = height + top + bottom, width + left + right
    size = BYTES[problem.element]
    result = paddle.zeros([batch * tall * wide * channels * size], dtype="uint8")
    copy = _copy_rows(
        height, width * channels, wide * channels, problem.element, batch, tall * wide * channels
    )
    start = result.data_ptr() + (top * wide + left) * channels * size
    copy.run({dnnl.SRC: image.data_ptr(), dnnl.DST: start})
    return result, tall, wide


@cached
def _tap(problem: Problem, tall: int, wide: int) -> Primitive:
    """What one position of the kernel sees of every output's neighbourhood, into its place in the rows."""
    batch, channels, *_ = problem.image
    height, width = problem.output[2:]
    down, along = problem.geometry.stride
    row = problem.weight[2] * problem.weight[3] * channels
    dims = (batch, height, width, channels)
    seen = (tall * wide * channels, down * wide * channels, along * channels, 1)
    placed = (height * width * row, width * row, row, 1)
    return Primitive(
        "reorder",
        dnnl.descriptor(dims, problem.element, seen),
        dnnl.descriptor(dims, problem.element, placed),
    )


def columns(problem: Problem, image: paddle.Tensor) -> paddle.Tensor:
    """[N * H * W, kh * kw * C] of the output's H and W."""
    source, tall, wide = padded(problem, image)
    batch, channels, *_ = problem.image
    (*_, high, broad), (height, width) = problem.weight, problem.output[2:]
    if (high, broad) == (1, 1) and problem.geometry.stride == (1, 1):
        return source
    size = BYTES[problem.element]
    result = new_bytes(batch * height * width * high * broad * channels * size)
    tap = _tap(problem, tall, wide)
    step_down, step_along = problem.geometry.dilation
    for y in range(high):
        for x in range(broad):
            seen = (y * step_down * wide + x * step_along) * channels * size
            placed = (y * broad + x) * channels * size
            tap.run({dnnl.SRC: source.data_ptr() + seen, dnnl.DST: result.data_ptr() + placed})
    return result


@cached
def _times(positions: int, row: int, filters: int, element: int, bias: bool) -> Primitive:
    """rows [positions, row] times weight [filters, row] transposed."""
    return Primitive(
        "matmul",
        dnnl.descriptor((positions, row), element),
        dnnl.descriptor((row, filters), element, (1, row)),
        dnnl.descriptor((1, filters), dnnl.FLOAT32) if bias else None,
        dnnl.descriptor((positions, filters), element),
    )


def multiply(problem: Problem, rows: paddle.Tensor, weight: paddle.Tensor, bias: Any, target: int) -> None:
    """Write the convolution's result, [N * H * W, out], to `target`. The weight lies channels last."""
    filters, depth, high, broad = problem.weight
    positions = problem.output[0] * problem.output[2] * problem.output[3]
    pointers = {dnnl.SRC: rows.data_ptr(), dnnl.WEIGHTS: weight.data_ptr(), dnnl.DST: target}
    if bias is not None:
        pointers[dnnl.BIAS] = bias.data_ptr()
    _times(positions, high * broad * depth, filters, problem.element, bias is not None).run(pointers)


def convolve(problem: Problem, image: paddle.Tensor, weight: paddle.Tensor, bias: Any) -> paddle.Tensor:
    """`weight` is `rounded`."""
    result = new_image(problem.output, problem.element)
    multiply(problem, columns(problem, image), weight, bias, result.data_ptr())
    return result


@cached
def _product(filters: int, positions: int, row: int, element: int) -> Primitive:
    """gradient [positions, filters] transposed, times rows [positions, row], summed in float32."""
    gradient = dnnl.descriptor((filters, positions), element, (1, filters))
    return Primitive(
        "matmul",
        gradient,
        dnnl.descriptor((positions, row), element),
        None,
        dnnl.descriptor((filters, row), dnnl.FLOAT32),
    )


@cached
def _ones(count: int, element: int) -> paddle.Tensor:
    result = new_bytes(count * BYTES[element])
    ones = paddle.ones([count])
    reorder(ones.data_ptr(), dnnl.vector(count), result.data_ptr(), dnnl.descriptor((count,), element))
    return result


def weight_gradient(
    problem: Problem, image: paddle.Tensor, gradient: paddle.Tensor
) -> tuple[paddle.Tensor, paddle.Tensor | None]:
    """The float32 gradients of weight and bias, in Paddle's layout."""
    filters, depth, high, broad = problem.weight
    positions = problem.output[0] * problem.output[2] * problem.output[3]
    row = high * broad * depth
    rows = columns(problem, image)
    raw = new_vector(filters * row)  # [out, kh, kw, in]
    _product(filters, positions, row, problem.element).run(
        {dnnl.SRC: gradient.data_ptr(), dnnl.WEIGHTS: rows.data_ptr(), dnnl.DST: raw.data_ptr()}
    )
    return unrounded(problem, raw), bias_gradient(problem, gradient) if problem.bias else None


def bias_gradient(problem: Problem, gradient: paddle.Tensor) -> paddle.Tensor:
    """[out] in float32: the sum over all positions, as a product with ones."""
    filters, positions = problem.weight[0], problem.output[0] * problem.output[2] * problem.output[3]
    result, ones = new_vector(filters), _ones(positions, problem.element)
    _product(1, positions, filters, problem.element).run(
        {dnnl.SRC: ones.data_ptr(), dnnl.WEIGHTS: gradient.data_ptr(), dnnl.DST: result.data_ptr()}
    )
    return result
