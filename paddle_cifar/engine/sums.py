"""Winograd's sums (`winograd.py`): the pixels of a row of tiles to their numbers, and numbers to pixels.

Both are made for sixteen channels of an image at a time: of pixels first the sums down the columns of the
map, then those along its rows, of numbers the other way round. What lies between stays in the core's own
cache, in float32. As many images are taken at once as have numbers that stay in the processor's caches until
they are multiplied.
"""

from __future__ import annotations

from ctypes import c_void_p
from typing import Any, NamedTuple

import paddle

from paddle_cifar.engine import dnnl
from paddle_cifar.engine.codegen import LANES, Code, Kernel
from paddle_cifar.engine.primitive import cached, layout_size
from paddle_cifar.engine.tensors import BYTES, Shape, new_bytes
from paddle_cifar.engine.tiles import TAPS, Sums, tiling

# Of numbers at once, before or after the product. From 3 to 12 MB differ little on two cores with a cache of
# 1 MB each and 32 MB together. Each image of a window is one core's: many cores would want larger windows.
CACHED_BYTES = 6 << 20


class Window(NamedTuple):
    """Images of a batch: the first, and how many."""

    first: int
    images: int


def windows(maps: Shape, element: int, least: int = 0) -> list[Window]:
    """The images to take at once: the numbers of a row of tiles have up to `CACHED_BYTES`, or `least` where
    that is more.
    """
    batch, channels, height, width = maps
    tiles = tiling(height, width)
    most = max(1, max(CACHED_BYTES, least) // (tiles.numbers * tiles.along * channels * BYTES[element]))
    count = -(-batch // -(-batch // most))
    return [Window(first, min(count, batch - first)) for first in range(0, batch, count)]


class _Maps(NamedTuple):
    """What a kernel is told of an image batch and its numbers; steps are from one to the next."""

    image_step: Any
    row_step: Any
    width: Any
    channels: Any
    tiles: Any  # in a row
    tile_step: Any
    number_step: Any


@cached
def layout(maps: Shape, element: int, images: int, turned: bool = False) -> c_void_p:
    """What lies at the place of `Numbers`, as [n n, tiles images, C]; `turned`: as [n n, C, tiles images].

    Between one [tiles, images, C] and the next lies a row of C more: a power of two apart, they would fall on
    each other in the cache.
    """
    tiles, channels = tiling(*maps[2:]), maps[1]
    rows = tiles.along * images
    shape, strides = (tiles.numbers, rows, channels), ((rows + 1) * channels, channels, 1)
    if turned:
        shape, strides = (tiles.numbers, channels, rows), ((rows + 1) * channels, 1, channels)
    return dnnl.descriptor(shape, element, strides)


@cached
def _to_numbers(sums: Sums, element: int) -> Kernel:
    """For each image: pixels [rows, W, C] to numbers [n, n, tiles, images, C]."""
    count, seen = len(sums.down), len(sums.along[0])
    side = count - (TAPS - 1)
    border = (seen - side) // 2  # pixels that a tile sees on each side of its own
    code = Code()
    images, image, numbers, *rest = code.arguments(3 + len(_Maps._fields))
    image, numbers = code.pointer(image), code.pointer(numbers)
    image_step, row_step, width, channels, tiles, tile_step, number_step = _Maps(*rest)
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
    images, image, numbers, biases, other, *rest = code.arguments(5 + len(_Maps._fields))
    image, numbers, biases, other = (code.pointer(each) for each in (image, numbers, biases, other))
    image_step, row_step, width, channels, tiles, tile_step, number_step = _Maps(*rest)
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
    """Memory for the numbers of a row of tiles, [n, n, tiles, images, C], of up to so many images."""

    def __init__(self, maps: Shape, element: int, images: int) -> None:
        self._maps, self._element = maps, element
        self._memory = new_bytes(layout_size(layout(maps, element, images)))
        self.place = self._memory.data_ptr()

    def _told(self, images: int) -> _Maps:
        _, channels, height, width = self._maps
        tiles, tile = tiling(height, width).along, images * channels
        return _Maps(
            image_step=height * width * channels,
            row_step=width * channels,
            width=width,
            channels=channels,
            tiles=tiles,
            tile_step=tile,
            number_step=tiles * tile + channels,  # as in `layout`
        )

    def _pixels(self, image: paddle.Tensor, window: Window, row: int) -> int:
        _, channels, height, width = self._maps
        return image.data_ptr() + (window.first * height + row) * width * channels * BYTES[self._element]

    def fill(self, image: paddle.Tensor, window: Window, row: int, sums: Sums) -> None:
        """From these images' pixel rows, from `row` on."""
        pixels, told = self._pixels(image, window, row), self._told(window.images)
        _to_numbers(sums, self._element).run(window.images, pixels, self.place, *told)

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
            0 if bias is None else bias.data_ptr(),
            0 if added is None else self._pixels(added, window, row),
            *self._told(window.images),
        )
