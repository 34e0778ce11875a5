"""Convolution on maps so small that much of the kernel hangs over their edge: by pairs of pixels, no padding.

An output pixel sees an input pixel through one position of the kernel, or not at all. On a 2x2 map a 3x3
kernel has 16 such pairs, where columns with padding have 36. Forward, and for the image's gradient, all pairs
together are one matrix from the numbers of the whole input map to those of the whole output map. The weight's
gradient is a product over the batch for each pair, summed at its position.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import paddle

from paddle_cifar.engine import dnnl
from paddle_cifar.engine.im2col import bias_gradient
from paddle_cifar.engine.primitive import Primitive, cached, post_operations
from paddle_cifar.engine.problem import Problem, unrounded
from paddle_cifar.engine.tensors import BYTES, new_bytes, new_image, new_vector

MOST_PIXELS = 16  # of input and output: beyond, the products of the weight's gradient get many and small
MOST_MAPPED = 4  # input pixels: beyond, the matrix has as many numbers as columns with padding, and is large


class Pair(NamedTuple):
    """The numbers, row by row, of an output pixel, an input pixel it sees, and the tap between them."""

    output: int
    input: int
    tap: int


@cached
def pairs(problem: Problem) -> tuple[Pair, ...]:
    """All of them, those of one tap together."""
    broad, width = problem.weight[3], problem.image[3]
    down, along = (_along(problem, axis) for axis in (0, 1))
    found = (
        Pair(y_out * problem.output[3] + x_out, y_in * width + x_in, y_tap * broad + x_tap)
        for y_out, y_in, y_tap in down
        for x_out, x_in, x_tap in along
    )
    return tuple(sorted(found, key=lambda pair: (pair.tap, pair)))


def _along(problem: Problem, axis: int) -> list[tuple[int, int, int]]:
    """(output, input, tap) along height (0) or width (1)."""
    geometry, size = problem.geometry, problem.image[2 + axis]
    seen = (
        (out, out * geometry.stride[axis] + tap * geometry.dilation[axis] - geometry.padding[axis], tap)
        for out in range(problem.output[2 + axis])
        for tap in range(problem.weight[2 + axis])
    )
    return [(out, place, tap) for out, place, tap in seen if 0 <= place < size]


def _pixels(problem: Problem) -> tuple[int, int]:
    """Of the input map and of the output map."""
    return problem.image[2] * problem.image[3], problem.output[2] * problem.output[3]


def _taps(problem: Problem) -> int:
    return problem.weight[2] * problem.weight[3]


@cached
def applies(problem: Problem) -> bool:
    """For the weight's gradient: small maps, and a kernel that hangs over."""
    if problem.geometry.groups > 1 or min(problem.weight[:2]) < 8:
        return False
    _, outputs = _pixels(problem)
    return max(_pixels(problem)) <= MOST_PIXELS and len(pairs(problem)) < outputs * _taps(problem)


@cached
def applies_to_maps(problem: Problem) -> bool:
    """For forward and the image's gradient, which need the matrix."""
    return applies(problem) and max(_pixels(problem)) <= MOST_MAPPED


@cached
def _block(problem: Problem) -> Primitive:
    """One tap of the weight, [out, in] of [out, taps, in], into its place in the matrix."""
    filters, depth = problem.weight[:2]
    source = dnnl.descriptor((filters, depth), problem.element, (_taps(problem) * depth, 1))
    target = dnnl.descriptor((filters, depth), problem.element, (_pixels(problem)[0] * depth, 1))
    return Primitive("reorder", source, target)


def _matrix(problem: Problem, weight: paddle.Tensor) -> paddle.Tensor:
    """[output pixels * out, input pixels * in]; zero where no tap lies between two pixels."""
    filters, depth = problem.weight[:2]
    (inputs, outputs), size = _pixels(problem), BYTES[problem.element]
    total = outputs * filters * inputs * depth * size
    complete = len(pairs(problem)) == outputs * inputs
    result = new_bytes(total) if complete else paddle.zeros([total], dtype="uint8")
    for pair in pairs(problem):
        source = weight.data_ptr() + pair.tap * depth * size
        place = (pair.output * filters * inputs + pair.input) * depth * size
        _block(problem).run({dnnl.SRC: source, dnnl.DST: result.data_ptr() + place})
    return result


@cached
def _times(problem: Problem, back: bool) -> Primitive:
    """Maps [N, input numbers] to [N, output numbers], or back from there."""
    batch, element = problem.image[0], problem.element
    inputs, outputs = (
        count * channels for count, channels in zip(_pixels(problem), problem.weight[1::-1], strict=True)
    )
    small, large = dnnl.descriptor((batch, inputs), element), dnnl.descriptor((batch, outputs), element)
    if back:
        return Primitive("matmul", large, dnnl.descriptor((outputs, inputs), element), None, small)
    matrix = dnnl.descriptor((inputs, outputs), element, (1, inputs))
    bias = dnnl.descriptor((1, outputs), dnnl.FLOAT32) if problem.bias else None
    return Primitive("matmul", small, matrix, bias, large)


def convolve(problem: Problem, image: paddle.Tensor, weight: paddle.Tensor, bias: Any) -> paddle.Tensor:
    """`weight` is `rounded`."""
    result, matrix = new_image(problem.output, problem.element), _matrix(problem, weight)
    pointers = {dnnl.SRC: image.data_ptr(), dnnl.WEIGHTS: matrix.data_ptr(), dnnl.DST: result.data_ptr()}
    if bias is not None:
        everywhere = bias.detach().tile([_pixels(problem)[1]])
        pointers[dnnl.BIAS] = everywhere.data_ptr()
    _times(problem, back=False).run(pointers)
    return result


def image_gradient(problem: Problem, weight: paddle.Tensor, gradient: paddle.Tensor) -> paddle.Tensor:
    """`weight` is `rounded`."""
    result, matrix = new_image(problem.image, problem.element), _matrix(problem, weight)
    _times(problem, back=True).run(
        {dnnl.SRC: gradient.data_ptr(), dnnl.WEIGHTS: matrix.data_ptr(), dnnl.DST: result.data_ptr()}
    )
    return result


@cached
def _product(problem: Problem, adds: bool) -> Primitive:
    """A pair's output gradient [N, out] transposed, times its input [N, in]; `adds` to what is there."""
    (filters, depth), (inputs, outputs) = problem.weight[:2], _pixels(problem)
    batch, element = problem.image[0], problem.element
    return Primitive(
        "matmul",
        dnnl.descriptor((filters, batch), element, (1, outputs * filters)),
        dnnl.descriptor((batch, depth), element, (inputs * depth, 1)),
        None,
        dnnl.descriptor((filters, depth), dnnl.FLOAT32, (_taps(problem) * depth, 1)),
        attributes=post_operations(onto=True) if adds else None,
    )


def weight_gradient(
    problem: Problem, image: paddle.Tensor, gradient: paddle.Tensor
) -> tuple[paddle.Tensor, paddle.Tensor | None]:
    """The float32 gradients of weight and bias, in Paddle's layout."""
    (filters, depth), size = problem.weight[:2], BYTES[problem.element]
    length = filters * _taps(problem) * depth
    complete = len({pair.tap for pair in pairs(problem)}) == _taps(problem)
    raw = new_vector(length) if complete else paddle.zeros([length], dtype="float32")  # [out, kh, kw, in]
    before = None
    for pair in pairs(problem):
        _product(problem, pair.tap == before).run(
            {
                dnnl.SRC: gradient.data_ptr() + pair.output * filters * size,
                dnnl.WEIGHTS: image.data_ptr() + pair.input * depth * size,
                dnnl.DST: raw.data_ptr() + pair.tap * depth * BYTES[dnnl.FLOAT32],
            }
        )
        before = pair.tap
    return unrounded(problem, raw), bias_gradient(problem, gradient) if problem.bias else None
