"""3x3 convolution with a quarter to a half of the products: Winograd's minimal filtering, on small tiles.

Lavin and Gray 2015, arXiv:1509.09308. A tile of m x m output pixels sees (m + 2) x (m + 2) input pixels.
Both they and the kernel are taken to as many numbers a channel by weighted sums; one product of these is left
where the convolution has nine for each output pixel; and those pixels are weighted sums of the results. All
of it is matrix products: the sums of a row of tiles are one constant matrix (`tiles.py`), and every number of
a tile has one product of (images, channels) by (channels, filters). Rows of tiles come one after the other:
what lies between the products is up to four times as large as the images.

The price is rounding: in bf16 the result is off by 1.5 % of its size, five times as far as a plain
convolution in bf16, in float32 by 1e-6. Through the whole of ResNet-18 bf16 moves logits by 0.7 % without
it and by 1.0 % with it. And a pixel that is not finite spoils the rows of its tile, not just its neighbours.
"""

from __future__ import annotations

from typing import Any

import paddle

from paddle_cifar.engine import dnnl
from paddle_cifar.engine.im2col import bias_gradient
from paddle_cifar.engine.primitive import Primitive, cached, post_operations
from paddle_cifar.engine.problem import Geometry, Problem, unrounded
from paddle_cifar.engine.tensors import BYTES, image_shape, new_bytes, new_image, new_vector
from paddle_cifar.engine.tiles import TAPS, kernel_matrices, strips, tiling

FEWEST_CHANNELS = 32  # of image and output: below, the sums cost more than the products they save
FEWEST_TILES = 32  # of the whole batch: below, most of the work, and of the memory, is the kernels' numbers
NARROWEST, WIDEST = 3, 16  # pixels: below, a tile is mostly border; beyond, a row's matrix gets too large


@cached
def applies(problem: Problem) -> bool:
    """3x3 kernels that walk pixel by pixel over small maps with a border of one, and enough to do."""
    plain = problem.geometry == Geometry(padding=(1, 1, 1, 1)) and problem.weight[2:] == (TAPS, TAPS)
    batch, channels, *sides = problem.image
    if not plain or min(sides) < NARROWEST or max(sides) > WIDEST:
        return False
    tiles = tiling(*sides)
    enough = min(channels, problem.weight[0]) >= FEWEST_CHANNELS
    return enough and batch * tiles.down * tiles.along >= FEWEST_TILES


@cached
def _to_numbers(image: tuple[int, ...], pixels: int, rows: int, element: int) -> Primitive:
    """A constant matrix times so many pixels of every image, [N, pixels, C]: [numbers * tiles, N, C]."""
    batch, channels, height, width = image
    return Primitive(
        "matmul",
        dnnl.descriptor((1, rows, pixels), element),
        dnnl.descriptor((batch, pixels, channels), element, (height * width * channels, channels, 1)),
        None,
        dnnl.descriptor((batch, rows, channels), element, (channels, batch * channels, 1)),
    )


@cached
def _to_pixels(
    image: tuple[int, ...], pixels: int, rows: int, element: int, bias: bool, added: bool, relu: bool
) -> Primitive:
    """A constant matrix times [numbers * tiles, N, C]: so many pixels of every image, [N, pixels, C]."""
    batch, channels, height, width = image
    made = dnnl.descriptor((batch, pixels, channels), element, (height * width * channels, channels, 1))
    return Primitive(
        "matmul",
        dnnl.descriptor((1, pixels, rows), element),
        dnnl.descriptor((batch, rows, channels), element, (channels, batch * channels, 1)),
        dnnl.descriptor((1, 1, channels), dnnl.FLOAT32) if bias else None,
        made,
        attributes=post_operations(*[(dnnl.RELU, 0.0)] * relu, added=made if added else None),
    )


@cached
def _times(numbers: int, rows: int, inputs: int, outputs: int, element: int, turned: bool) -> Primitive:
    """[numbers, rows, inputs] times the weight's [numbers, out, in], whichever of them the inputs are."""
    strides = (inputs * outputs, outputs, 1) if turned else (inputs * outputs, 1, inputs)
    return Primitive(
        "matmul",
        dnnl.descriptor((numbers, rows, inputs), element),
        dnnl.descriptor((numbers, inputs, outputs), element, strides),
        None,
        dnnl.descriptor((numbers, rows, outputs), element),
    )


@cached
def _product(numbers: int, rows: int, filters: int, depth: int, element: int, adds: bool) -> Primitive:
    """[numbers, rows, out] transposed, times [numbers, rows, in], in float32; `adds` to what is there."""
    return Primitive(
        "matmul",
        dnnl.descriptor((numbers, filters, rows), element, (rows * filters, 1, filters)),
        dnnl.descriptor((numbers, rows, depth), element),
        None,
        dnnl.descriptor((numbers, filters, depth), dnnl.FLOAT32),
        attributes=post_operations(onto=True) if adds else None,
    )


def _multiply(
    primitive: Primitive, left: int, right: int, result: int, more: dict[int, int] | None = None
) -> None:
    primitive.run({dnnl.SRC: left, dnnl.WEIGHTS: right, dnnl.DST: result, **(more or {})})


def _sums(
    matrix: paddle.Tensor, image: paddle.Tensor, rows: tuple[int, int], target: paddle.Tensor, element: int
) -> None:
    """Into `target`, [numbers * tiles, N, C]: the matrix times these pixel rows of an image batch."""
    shape, (first, count) = image_shape(image), rows
    _, channels, _, width = shape
    start = image.data_ptr() + first * width * channels * BYTES[element]
    pixels = count * width
    primitive = _to_numbers(shape, pixels, matrix.size // BYTES[element] // pixels, element)
    _multiply(primitive, matrix.data_ptr(), start, target.data_ptr())


def convolve(
    problem: Problem,
    image: paddle.Tensor,
    weight: paddle.Tensor,
    bias: Any,
    turned: bool = False,
    added: paddle.Tensor | None = None,
    relu: bool = False,
) -> paddle.Tensor:
    """`weight` is `rounded`. `turned`: of the output's gradient, with the kernels turned round.

    The result takes along, where asked, an addition and then ReLU.
    """
    element, size, (filters, depth) = problem.element, BYTES[problem.element], problem.weight[:2]
    inputs, outputs = (filters, depth) if turned else (depth, filters)
    batch, _, height, width = problem.image
    result = new_image(problem.image if turned else problem.output, element)
    tiles = tiling(height, width)
    kernels = new_bytes(tiles.numbers * filters * depth * size)
    matrix = kernel_matrices(tiles.side, element)["turned" if turned else "plain"]
    # The weight, [out, 9, in], is as good as a batch of images.
    to_kernels = _to_numbers(problem.weight, TAPS * TAPS, tiles.numbers, element)
    _multiply(to_kernels, matrix.data_ptr(), weight.data_ptr(), kernels.data_ptr())
    times = _times(tiles.numbers, tiles.along * batch, inputs, outputs, element, turned)
    rows = tiles.numbers * tiles.along
    seen, made = (new_bytes(rows * batch * channels * size) for channels in (inputs, outputs))
    for strip in strips(height, width, element):
        _sums(strip.pixels, image, strip.seen, seen, element)
        _multiply(times, seen.data_ptr(), kernels.data_ptr(), made.data_ptr())
        first, count = strip.made
        place = first * width * outputs * size
        more = {} if bias is None else {dnnl.BIAS: bias.data_ptr()}
        if added is not None:
            more[dnnl.ADDED] = added.data_ptr() + place
        to_pixels = _to_pixels(
            *(image_shape(result), count * width, rows, element), bias is not None, added is not None, relu
        )
        _multiply(to_pixels, strip.output.data_ptr(), made.data_ptr(), result.data_ptr() + place, more)
    return result


def image_gradient(problem: Problem, weight: paddle.Tensor, gradient: paddle.Tensor) -> paddle.Tensor:
    """`weight` is `rounded`."""
    return convolve(problem, gradient, weight, None, turned=True)


def weight_gradient(
    problem: Problem, image: paddle.Tensor, gradient: paddle.Tensor
) -> tuple[paddle.Tensor, paddle.Tensor | None]:
    """The float32 gradients of weight and bias, in Paddle's layout."""
    element, size, (filters, depth) = problem.element, BYTES[problem.element], problem.weight[:2]
    batch, _, height, width = problem.image
    tiles = tiling(height, width)
    across = tiles.along * batch
    seen, made = (new_bytes(tiles.numbers * across * channels * size) for channels in (depth, filters))
    sums = new_vector(tiles.numbers * filters * depth)
    for number, strip in enumerate(strips(height, width, element)):
        _sums(strip.pixels, image, strip.seen, seen, element)
        _sums(strip.back, gradient, strip.made, made, element)
        product = _product(tiles.numbers, across, filters, depth, element, number > 0)
        _multiply(product, made.data_ptr(), seen.data_ptr(), sums.data_ptr())
    raw = new_vector(filters * TAPS * TAPS * depth)
    matrix = kernel_matrices(tiles.side, element)["back"]
    from_kernels = _to_pixels(problem.weight, TAPS * TAPS, tiles.numbers, dnnl.FLOAT32, False, False, False)
    _multiply(from_kernels, matrix.data_ptr(), sums.data_ptr(), raw.data_ptr())
    return unrounded(problem, raw), bias_gradient(problem, gradient) if problem.bias else None
