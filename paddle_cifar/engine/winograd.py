"""3x3 convolution with a quarter to a half of the products: Winograd's minimal filtering, on small tiles.

Lavin and Gray 2015, arXiv:1509.09308. A tile of m x m output pixels sees (m + 2) x (m + 2) input pixels.
Both they and the kernel are taken to as many numbers a channel by weighted sums; one product of these is left
where the convolution has nine for each output pixel; and those pixels are weighted sums of the results. The
sums are loops of this project (`sums.py`) over constant matrices (`tiles.py`), and every number of a tile has
one of oneDNN's products, of (tiles, channels) by (channels, filters). Rows of tiles come one after the
other, and so many images at once that their numbers stay in the processor's caches.

The price is rounding: in bf16 the result is off by 0.8 to 1.8 % of its size, three to six times as far as
a plain convolution in bf16, in float32 by 1e-6. Through the whole of ResNet-18 bf16 moves logits by 0.6 %
without it and by 1.1 % with it. And a pixel that is not finite spoils the tiles that see it, not just its
neighbours.
"""

from __future__ import annotations

from typing import Any

import paddle

from paddle_cifar.engine import dnnl
from paddle_cifar.engine.codegen import LANES, hindrance
from paddle_cifar.engine.im2col import bias_gradient
from paddle_cifar.engine.primitive import Primitive, cached, post_operations
from paddle_cifar.engine.problem import Geometry, Problem, unrounded
from paddle_cifar.engine.sums import Numbers, Window, layout, windows
from paddle_cifar.engine.tensors import BYTES, Shape, new_bytes, new_image, new_vector, packed
from paddle_cifar.engine.tiles import TAPS, kernel_matrices, strips, tiling

FEWEST_CHANNELS = 32  # of image and output: below, the sums cost more than the products they save
FEWEST_TILES = 32  # of the whole batch: below, most of the work, and of the memory, is the kernels' numbers
NARROWEST, WIDEST = 3, 32  # pixels: below, a tile is mostly border; beyond, nothing was measured


@cached
def applies(problem: Problem) -> bool:
    """3x3 kernels that walk pixel by pixel over small maps with a border of one, whole vectors of channels,
    and enough to do."""
    plain = problem.geometry == Geometry(padding=(1, 1, 1, 1)) and problem.weight[2:] == (TAPS, TAPS)
    batch, channels, *sides = problem.image
    if not plain or min(sides) < NARROWEST or max(sides) > WIDEST:
        return False
    tiles = tiling(*sides)
    both = (channels, problem.weight[0])
    enough = min(both) >= FEWEST_CHANNELS and batch * tiles.down * tiles.along >= FEWEST_TILES
    return enough and not any(count % LANES for count in both) and hindrance(problem.element) is None


@cached
def _to_kernels(weight: tuple[int, ...], numbers: int, element: int) -> Primitive:
    """A matrix times the weight, [out, 9, in], as if of images: [numbers, out, in]."""
    filters, depth = weight[:2]
    return Primitive(
        "matmul",
        dnnl.descriptor((1, numbers, TAPS * TAPS), element),
        dnnl.descriptor((filters, TAPS * TAPS, depth), element),
        None,
        dnnl.descriptor((filters, numbers, depth), element, (depth, filters * depth, 1)),
    )


@cached
def _from_kernels(weight: tuple[int, ...], numbers: int) -> Primitive:
    """A matrix times [numbers, out, in]: [out, 9, in]."""
    filters, depth = weight[:2]
    return Primitive(
        "matmul",
        dnnl.descriptor((1, TAPS * TAPS, numbers), dnnl.FLOAT32),
        dnnl.descriptor((filters, numbers, depth), dnnl.FLOAT32, (depth, filters * depth, 1)),
        None,
        dnnl.descriptor((filters, TAPS * TAPS, depth), dnnl.FLOAT32),
    )


@cached
def _product(source: Shape, target: Shape, element: int, images: int) -> Primitive:
    """The numbers of so many source images times kernels, packed as oneDNN likes them."""
    kernels = dnnl.any_layout((tiling(*source[2:]).numbers, source[1], target[1]), element)
    return Primitive(
        "matmul", layout(source, element, images), kernels, None, layout(target, element, images)
    )


@cached
def _weight_product(image: Shape, output: Shape, element: int, images: int, adds: bool) -> Primitive:
    """The numbers of so many outputs' gradients, turned, times those of the images: [numbers, out, in] in
    float32; `adds` to what is there.
    """
    return Primitive(
        "matmul",
        layout(output, element, images, turned=True),
        layout(image, element, images),
        None,
        dnnl.descriptor((tiling(*image[2:]).numbers, output[1], image[1]), dnnl.FLOAT32),
        attributes=post_operations(onto=True) if adds else None,
    )


def _kernels(problem: Problem, weight: paddle.Tensor, turned: bool, wanted: Any) -> paddle.Tensor:
    """The numbers of all kernels, [numbers, inputs, outputs] in the wanted layout."""
    element, (filters, depth) = problem.element, problem.weight[:2]
    tiles = tiling(*problem.image[2:])
    plain = new_bytes(tiles.numbers * filters * depth * BYTES[element])
    matrix = kernel_matrices(tiles.side, element)["turned" if turned else "plain"]
    to_kernels = _to_kernels(problem.weight, tiles.numbers, element)
    _multiply(to_kernels, matrix.data_ptr(), weight.data_ptr(), plain.data_ptr())
    inputs, outputs = (filters, depth) if turned else (depth, filters)
    strides = (filters * depth, depth, 1) if turned else (filters * depth, 1, depth)
    return packed(plain, dnnl.descriptor((tiles.numbers, inputs, outputs), element, strides), wanted)


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
    element, (height, width) = problem.element, problem.image[2:]
    source, target = (problem.output, problem.image) if turned else (problem.image, problem.output)
    result = new_image(target, element)
    cut = windows(max(source, target), element)  # by the one with more channels
    images = cut[0].images
    # The last window begins early rather than be shorter: another shape would need kernels packed otherwise.
    cut = [Window(min(first, target[0] - images), images) for first, _ in cut]
    product = _product(source, target, element, images)
    kernels = _kernels(problem, weight, turned, product.layout(dnnl.WEIGHTS))
    seen, made = (Numbers(maps, element, images) for maps in (source, target))
    for window in cut:
        for strip in strips(height, width):
            seen.fill(image, window, strip.seen, strip.pixels)
            _multiply(product, seen.place, kernels.data_ptr(), made.place)
            made.empty(result, window, strip.made, strip.output, bias, added, relu)
    return result


def image_gradient(problem: Problem, weight: paddle.Tensor, gradient: paddle.Tensor) -> paddle.Tensor:
    """`weight` is `rounded`."""
    return convolve(problem, gradient, weight, None, turned=True)


def weight_gradient(
    problem: Problem, image: paddle.Tensor, gradient: paddle.Tensor
) -> tuple[paddle.Tensor, paddle.Tensor | None]:
    """The float32 gradients of weight and bias, in Paddle's layout."""
    element, (filters, depth) = problem.element, problem.weight[:2]
    height, width = problem.image[2:]
    tiles = tiling(height, width)
    sums = new_vector(tiles.numbers * filters * depth)
    # Every product adds to all of the sums: where these are large, more images are taken at once.
    cut = windows(max(problem.image, problem.output), element, sums.size * BYTES[dnnl.FLOAT32])
    seen, made = (Numbers(maps, element, cut[0].images) for maps in (problem.image, problem.output))
    adds = False
    for window in cut:
        for strip in strips(height, width):
            seen.fill(image, window, strip.seen, strip.pixels)
            made.fill(gradient, window, strip.made, strip.back)
            product = _weight_product(problem.image, problem.output, element, window.images, adds)
            _multiply(product, made.place, seen.place, sums.data_ptr())
            adds = True
    raw = new_vector(filters * TAPS * TAPS * depth)
    matrix = kernel_matrices(tiles.side, element)["back"]
    _multiply(
        _from_kernels(problem.weight, tiles.numbers), matrix.data_ptr(), sums.data_ptr(), raw.data_ptr()
    )
    return unrounded(problem, raw), bias_gradient(problem, gradient) if problem.bias else None


def _multiply(primitive: Primitive, left: int, right: int, result: int) -> None:
    """Run a product on these addresses."""
    primitive.run({dnnl.SRC: left, dnnl.WEIGHTS: right, dnnl.DST: result})
