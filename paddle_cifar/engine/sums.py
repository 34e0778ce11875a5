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

# Of numbers at once. From 1 to 24 MB differ little on two cores with a cache of 1 MB each and 32 MB together.
CACHED_BYTES = 3 << 20


class Window(NamedTuple):
    """Images of a batch: the first, and how many."""

    first: int
    images: int


def windows(maps: Shape, element: int, least: int = 0) -> list[Window]:
    """The images to take at once: the numbers of a row of tiles have so many bytes, or what caches hold."""
    batch, channels, height, width = maps
    tiles = tiling(height, width)
    most = max(1, max(CACHED_BYTES, least) // (tiles.numbers * tiles.along * channels * BYTES[element]))
    # Odd: by a power of two, the places of a tile's numbers would fall on each other in the cache.
    count = min(batch, -(-batch // -(-batch // most)) | 1)
    return [Window(first, min(count, batch - first)) for first in range(0, batch, count)]


@cached
def _to_numbers(sums: Sums, element: int) -> Kernel:
    """For each image: pixels [rows, W, C] to numbers [n, n, tiles, images, C]."""
    count, seen = len(sums.down), len(sums.along[0])
    side = count - (TAPS - 1)
    border = (seen - side) // 2  # pixels that a tile sees on each side of its own
    code = Code()
    images, image, numbers, image_step, row_step, width, channels, tiles, tile_step = code.arguments(9)
    image, numbers = code.pointer(image), code.pointer(numbers)
    # The sums of a column stand between as many zeros as the tiles see beyond the border.
    line = code.multiply(code.add(code.multiply(tiles, side), 2 * border), LANES)
    half = code.room(code.multiply(line, count))
    with code.tasks(images) as number:
        first, place = code.multiply(number, image_step), code.multiply(number, channels)
        with code.loop(channels, step=LANES) as channel:
            with code.loop(width) as column:
                at = code.add(first, code.multiply(column, channels), channel)
                pixels = [
                    code.load(image, code.add(at, code.multiply(row_step, row)), element)
                    for row in range(len(sums.down[0]))
                ]
                at = code.multiply(code.add(column, border), LANES)
                for index, weights in enumerate(sums.down):
                    code.store(
                        code.weighted(weights, pixels),
                        half,
                        code.add(at, code.multiply(line, index)),
                        dnnl.FLOAT32,
                    )
            for down in range(count):
                with code.loop(tiles) as tile:
                    at = code.add(code.multiply(line, down), code.multiply(tile, side * LANES))
                    pixels = [
                        code.load(half, code.add(at, column * LANES), dnnl.FLOAT32) for column in range(seen)
                    ]
                    for index, weights in enumerate(sums.along):
                        at = code.multiply(
                            code.add(code.multiply(tiles, down * count + index), tile), tile_step
                        )
                        code.store(
                            code.weighted(weights, pixels), numbers, code.add(at, place, channel), element
                        )
    return Kernel(code)


@cached
def _to_pixels(sums: Sums, element: int, bias: bool, added: bool, relu: bool) -> Kernel:
    """For each image: numbers [n, n, tiles, images, C] to pixels [rows, W, C], with what they take along."""
    side, count = len(sums.along), len(sums.along[0])
    code = Code()
    images, image, numbers, image_step, row_step, width, channels, tiles, tile_step, biases, other = (
        code.arguments(11)
    )
    image, numbers, biases, other = (code.pointer(each) for each in (image, numbers, biases, other))
    line = code.multiply(tiles, side * LANES)
    half = code.room(code.multiply(line, count))
    with code.tasks(images) as number:
        first, place = code.multiply(number, image_step), code.multiply(number, channels)
        with code.loop(channels, step=LANES) as channel:
            for down in range(count):
                with code.loop(tiles) as tile:
                    found = []
                    for index in range(count):
                        at = code.multiply(
                            code.add(code.multiply(tiles, down * count + index), tile), tile_step
                        )
                        found.append(code.load(numbers, code.add(at, place, channel), element))
                    at = code.add(code.multiply(line, down), code.multiply(tile, side * LANES))
                    for column, weights in enumerate(sums.along):
                        code.store(
                            code.weighted(weights, found), half, code.add(at, column * LANES), dnnl.FLOAT32
                        )
            with code.loop(width) as column:
                at = code.multiply(column, LANES)
                found = [
                    code.load(half, code.add(at, code.multiply(line, down)), dnnl.FLOAT32)
                    for down in range(count)
                ]
                at = code.add(first, code.multiply(column, channels), channel)
                for row, weights in enumerate(sums.down):
                    pixel = code.weighted(weights, found)
                    index = code.add(at, code.multiply(row_step, row))
                    if bias:
                        pixel = code.plus(pixel, code.load(biases, channel, dnnl.FLOAT32))
                    if added:
                        pixel = code.plus(pixel, code.load(other, index, element))
                    code.store(code.relu(pixel) if relu else pixel, image, index, element)
    return Kernel(code)


class Numbers:
    """The numbers of a row of tiles, [n, n, tiles, images, C] at `place`, for up to so many images."""

    def __init__(self, maps: Shape, element: int, images: int) -> None:
        _, self._channels, height, width = maps
        tiles = tiling(height, width)
        self._element, self._size = element, BYTES[element]
        self._line = width * self._channels
        self._shape = (height * self._line, self._line, width, self._channels, tiles.along)
        self._memory = new_bytes(tiles.numbers * tiles.along * images * self._channels * self._size)
        self.place = self._memory.data_ptr()

    def _pixels(self, image: paddle.Tensor, window: Window, row: int) -> int:
        return image.data_ptr() + (window.first * self._shape[0] + row * self._line) * self._size

    def fill(self, image: paddle.Tensor, window: Window, row: int, sums: Sums) -> None:
        """From these images' pixel rows, from `row` on."""
        pixels = self._pixels(image, window, row)
        step = window.images * self._channels
        _to_numbers(sums, self._element).run(window.images, pixels, self.place, *self._shape, step)

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
            window.images * self._channels,
            0 if bias is None else bias.data_ptr(),
            0 if added is None else self._pixels(added, window, row),
        )
