"""The gradient of a convolution's image, as convolutions of the output's gradient by whole-batch products.

With a stride of s, the input rows fall into s phases: a row i with i + top = s * q + r is only touched by the
kernel rows s * t + r, from the output rows q - t. So each phase is a plain convolution (stride 1) of the
output's gradient with every s-th row of the kernel, turned round; its result is every s-th row of what is
wanted. Columns likewise.
"""

from __future__ import annotations

from typing import NamedTuple

import paddle

from paddle_cifar.engine import dnnl, im2col
from paddle_cifar.engine.primitive import Primitive, cached
from paddle_cifar.engine.problem import Geometry, Problem
from paddle_cifar.engine.tensors import BYTES, new_bytes, new_image


class Phase(NamedTuple):
    """One phase along one axis."""

    first: int  # the first input row
    count: int  # of input rows, every stride-th from there
    taps: tuple[int, ...]  # the kernel rows, last first
    before: int  # padding of the output's gradient
    after: int


@cached
def phases(problem: Problem, axis: int) -> tuple[Phase, ...]:
    """All phases along height (0) or width (1)."""
    size, output, kernel = problem.image[2 + axis], problem.output[2 + axis], problem.weight[2 + axis]
    stride, top = problem.geometry.stride[axis], problem.geometry.padding[axis]
    found = []
    for remainder in range(stride):
        taps = tuple(range(remainder, kernel, stride))
        start = -((remainder - top) // stride)  # the smallest q with a row inside the image
        first = stride * start + remainder - top
        count = max(0, -((first - size) // stride))
        found.append(Phase(first, count, taps[::-1], len(taps) - 1 - start, start + count - output))
    return tuple(found)


@cached
def applies(problem: Problem) -> bool:
    """Whether all phases are of one size and need no negative padding."""
    geometry = problem.geometry
    if geometry.groups > 1 or geometry.dilation != (1, 1) or min(problem.weight[:2]) < 8:
        return False
    if problem.image[2] % geometry.stride[0] or problem.image[3] % geometry.stride[1]:
        return False
    along = [*phases(problem, 0), *phases(problem, 1)]
    return all(phase.before >= 0 and phase.after >= 0 for phase in along if phase.taps and phase.count)


@cached
def _turn(problem: Problem, taps: int) -> Primitive:
    """One tap of the weight, [out, in] of [out, kh, kw, in], into [in, taps, out]."""
    filters, depth, high, broad = problem.weight
    source = dnnl.descriptor((filters, depth), problem.element, (high * broad * depth, 1))
    return Primitive(
        "reorder", source, dnnl.descriptor((filters, depth), problem.element, (1, taps * filters))
    )


def _turned(problem: Problem, weight: paddle.Tensor, down: Phase, along: Phase) -> paddle.Tensor:
    """The phase's part of the kernel, turned round: [in, taps down, taps along, out]."""
    filters, depth, _, broad = problem.weight
    size, taps = BYTES[problem.element], len(down.taps) * len(along.taps)
    result = new_bytes(depth * taps * filters * size)
    turn = _turn(problem, taps)
    for number, (y, x) in enumerate((y, x) for y in down.taps for x in along.taps):
        source = weight.data_ptr() + (y * broad + x) * depth * size
        turn.run({dnnl.SRC: source, dnnl.DST: result.data_ptr() + number * filters * size})
    return result


@cached
def _spread(problem: Problem, high: int, broad: int) -> Primitive:
    """A phase's result into its rows and columns of the whole."""
    batch, channels, height, width = problem.image
    stride_down, stride_along = problem.geometry.stride
    dims = (batch, high, broad, channels)
    places = (height * width * channels, stride_down * width * channels, stride_along * channels, 1)
    return Primitive(
        "reorder", dnnl.descriptor(dims, problem.element), dnnl.descriptor(dims, problem.element, places)
    )


def image_gradient(problem: Problem, weight: paddle.Tensor, gradient: paddle.Tensor) -> paddle.Tensor:
    """`weight` is `rounded`."""
    batch, channels, _, width = problem.image
    filters, size = problem.weight[0], BYTES[problem.element]
    result = new_image(problem.image, problem.element)
    pairs = [(down, along) for down in phases(problem, 0) for along in phases(problem, 1)]
    if any(not (down.taps and along.taps) for down, along in pairs):  # rows that no kernel position sees
        result = paddle.zeros(result.shape, dtype=result.dtype)
    for down, along in pairs:
        if not (down.taps and along.taps and down.count and along.count):
            continue
        padding = (down.before, along.before, down.after, along.after)
        part = Problem(
            (batch, filters, *problem.output[2:]),
            (channels, filters, len(down.taps), len(along.taps)),
            Geometry(padding=padding),
            problem.element,
            False,
        )
        rows, turned = im2col.columns(part, gradient), _turned(problem, weight, down, along)
        if len(pairs) == 1:
            im2col.multiply(part, rows, turned, None, result.data_ptr())
            break
        piece = new_image(part.output, problem.element)
        im2col.multiply(part, rows, turned, None, piece.data_ptr())
        start = result.data_ptr() + (down.first * width + along.first) * channels * size
        _spread(problem, down.count, along.count).run({dnnl.SRC: piece.data_ptr(), dnnl.DST: start})
    return result
