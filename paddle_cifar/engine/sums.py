"""Winograd's sums (`winograd.py`): the pixels of a row of tiles to their numbers, and numbers to pixels.

Both are made for sixteen channels of an image at a time, down the columns of the map and then along its
rows; what lies between stays in the core's own cache, in float32. As many images are taken at once as have
numbers that stay in the processor's caches until they are multiplied.
"""

from __future__ import annotations

from typing import NamedTuple

import paddle

from paddle_cifar.engine import dnnl
from paddle_cifar.engine.codegen import LANES, Code, Kernel
from paddle_cifar.engine.primitive import cached
from paddle_cifar.engine.tensors import BYTES, Shape, new_bytes
from paddle_cifar.engine.tiles import TAPS, Sums, tiling

# Of numbers at once. From 3 to 12 MB differ little on two cores with a cache of 1 MB each and 32 MB together.
CACHED_BYTES = 6 << 20


class Window(NamedTuple):
    """Images of a batch: the first, and how many."""

    first: int
    images: int


def windows(maps: Shape, element: int, least: int = 0) -> list[Window]:
    """The images to take at once: the numbers of a row of tiles have so many bytes, or what caches hold."""
    batch, channels, height, width = maps
    tiles = tiling(height, width)
    most = max(1, max(CACHED_BYTES, least) // (tiles.numbers * tiles.along * channels * BYTES[element]))
    count = -(-batch // -(-batch // most))
    return [Window(first, min(count, batch - first)) for first in range(0, batch, count)]


@cached
def _to_numbers(sums: Sums, element: int) -> Kernel:
    """For each image: pixels [rows, W, C] to numbers [n, n, tiles, images, C]."""
    count, seen = len(sums.down), len(sums.along[0])
    side = count - (TAPS - 1)
    border = (seen - side) // 2  # pixels that a tile sees on each side of its own
    code = Code()
    images, image, numbers, image_step, row_step, width, channels, tiles, tile_step, number_step = (
        code.arguments(10)
    )
    image, numbers = code.pointer(image), code.pointer(numbers)
    # The sums of a column stand between as many zeros as the tiles see beyond the border.
    line = code.multiply(code.add(code.multiply(tiles, side), 2 * border), LANES)
    half = code.room(code.multiply(line, count))
    rows = [code.multiply(row_step, row) for row in range(len(sums.down[0]))]
    lines = [code.multiply(line, index) for index in range(count)]
    places = [code.multiply(number_step, index) for index in range(count**2)]
    with code.tasks(images) as number, code.loop(channels, step=LANES) as channel:
        first = code.add(code.multiply(number, image_step), channel)
        with code.loop(width) as column:
            at = code.add(first, code.multiply(column, channels))
            pixels = [code.load(image, code.add(at, row), element) for row in rows]
            at = code.multiply(code.add(column, border), LANES)
            for weights, there in zip(sums.down, lines, strict=True):
                code.store(code.weighted(weights, pixels), half, code.add(at, there), dnnl.FLOAT32)
        first = code.add(code.multiply(number, channels), channel)
        with code.loop(tiles) as tile:
            start, place = code.multiply(tile, side * LANES), code.add(first, code.multiply(tile, tile_step))
            for down, here in enumerate(lines):
                at = code.add(start, here)
                pixels = [
                    code.load(half, code.add(at, column * LANES), dnnl.FLOAT32) for column in range(seen)
                ]
                for weights, there in zip(sums.along, places[down * count :][:count], strict=True):
                    code.store(code.weighted(weights, pixels), numbers, code.add(place, there), element)
    return Kernel(code)


@cached
def _to_pixels(sums: Sums, element: int, bias: bool, added: bool, relu: bool) -> Kernel:
    """For each image: numbers [n, n, tiles, images, C] to pixels [rows, W, C], with what they take along."""
    side, count = len(sums.along), len(sums.along[0])
    code = Code()
    (
        images,
        image,
        numbers,
        image_step,
        row_step,
        width,
        channels,
        tiles,
        tile_step,
        number_step,
        biases,
        other,
    ) = code.arguments(12)
    image, numbers, biases, other = (code.pointer(each) for each in (image, numbers, biases, other))
    line = code.multiply(tiles, side * LANES)
    half = code.room(code.multiply(line, count))
    rows = [code.multiply(row_step, row) for row in range(len(sums.down))]
    lines = [code.multiply(line, index) for index in range(count)]
    places = [code.multiply(number_step, index) for index in range(count**2)]
    with code.tasks(images) as number, code.loop(channels, step=LANES) as channel:
        first = code.add(code.multiply(number, channels), channel)
        with code.loop(tiles) as tile:
            start, place = code.multiply(tile, side * LANES), code.add(first, code.multiply(tile, tile_step))
            for down, there in enumerate(lines):
                found = [
                    code.load(numbers, code.add(place, here), element)
                    for here in places[down * count :][:count]
                ]
                at = code.add(start, there)
                for column, weights in enumerate(sums.along):
                    code.store(
                        code.weighted(weights, found), half, code.add(at, column * LANES), dnnl.FLOAT32
                    )
        first = code.add(code.multiply(number, image_step), channel)
        with code.loop(width) as column:
            at = code.multiply(column, LANES)
            found = [code.load(half, code.add(at, here), dnnl.FLOAT32) for here in lines]
            at = code.add(first, code.multiply(column, channels))
            for weights, row in zip(sums.down, rows, strict=True):
                pixel, there = code.weighted(weights, found), code.add(at, row)
                if bias:
                    pixel = code.plus(pixel, code.load(biases, channel, dnnl.FLOAT32))
                if added:
                    pixel = code.plus(pixel, code.load(other, there, element))
                code.store(code.relu(pixel) if relu else pixel, image, there, element)
    return Kernel(code)


class Numbers:
    """The numbers of a row of tiles, [n, n, tiles, images, C] at `place`, for up to so many images.

    Between one [tiles, images, C] and the next lies a row of C more: a power of two apart, they would fall on
    each other in the cache.
    """

    def __init__(self, maps: Shape, element: int, images: int) -> None:
        _, self._channels, height, width = maps
        tiles = tiling(height, width)
        self._element, self._size = element, BYTES[element]
        self._line = width * self._channels
        self._shape = (height * self._line, self._line, width, self._channels, tiles.along)
        self._memory = new_bytes(tiles.numbers * (tiles.along * images + 1) * self._channels * self._size)
        self.place = self._memory.data_ptr()

    def _pixels(self, image: paddle.Tensor, window: Window, row: int) -> int:
        return image.data_ptr() + (window.first * self._shape[0] + row * self._line) * self._size

    def _steps(self, images: int) -> tuple[int, int]:
        """From a tile to the next, and from a number of theirs to the next."""
        tile = images * self._channels
        return tile, self._shape[-1] * tile + self._channels

    def fill(self, image: paddle.Tensor, window: Window, row: int, sums: Sums) -> None:
        """From these images' pixel rows, from `row` on."""
        pixels = self._pixels(image, window, row)
        _to_numbers(sums, self._element).run(
            window.images, pixels, self.place, *self._shape, *self._steps(window.images)
        )

    def empty(
        self,
        image: paddle.Tensor,
        window: Window,
        row: int,
        sums: Sums,
        bias: paddle.Tensor | None = None,
        added: paddle.Tensor | None = None,
        relu: bool = False,
    ) -> None:
        """Into these pixel rows; `bias` is float32 [C], `added` another image batch."""
        _to_pixels(sums, self._element, bias is not None, added is not None, relu).run(
            window.images,
            self._pixels(image, window, row),
            self.place,
            *self._shape,
            *self._steps(window.images),
            0 if bias is None else bias.data_ptr(),
            0 if added is None else self._pixels(added, window, row),
        )
