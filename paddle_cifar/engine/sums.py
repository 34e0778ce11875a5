"""Winograd's sums (`winograd.py`): the pixels of a row of tiles to their numbers, and numbers to pixels.

Both are made in two steps, down the columns of a map and along its rows, each of them one product with a
constant matrix (`tiles.py`): one matrix for both would be nearly five times the work on 16x16 maps. What lies
between stays in the processor's caches: only so many images are taken at once.
"""

from __future__ import annotations

from ctypes import c_void_p
from typing import Any, NamedTuple

import paddle

from paddle_cifar.engine import dnnl
from paddle_cifar.engine.primitive import Primitive, cached, post_operations
from paddle_cifar.engine.tensors import BYTES, Shape, new_bytes
from paddle_cifar.engine.tiles import Pair, tiling

# Of numbers at once. From 1 to 24 MB differ little on two cores with a cache of 1 MB each and 32 MB together.
CACHED_BYTES = 3 << 20


def windows(maps: Shape, element: int) -> tuple[int, list[int]]:
    """How many images to take at once, and the first of each window.

    The last window begins early rather than be shorter: another shape would need primitives of its own.
    """
    batch, channels, height, width = maps
    tiles = tiling(height, width)
    most = max(1, CACHED_BYTES // (tiles.numbers * tiles.along * channels * BYTES[element]))
    # Odd: by a power of two, the places of a tile's numbers would fall on each other in the cache.
    count = min(batch, -(-batch // -(-batch // most)) | 1)
    return count, [min(first, batch - count) for first in range(0, batch, count)]


class _Layout(NamedTuple):
    """Where everything lies: `images` of a batch of maps, and a memory of numbers with `room` for more."""

    channels: int
    height: int
    width: int
    element: int
    images: int
    room: int

    @property
    def n(self) -> int:
        return tiling(self.height, self.width).n

    @property
    def wide(self) -> int:
        """The numbers of a row of tiles, along it."""
        return tiling(self.height, self.width).along * self.n

    @property
    def line(self) -> int:
        """Values in a row of pixels."""
        return self.width * self.channels

    def pixels(self, rows: int) -> c_void_p:
        """So many rows of every image, [images, rows, W C]."""
        return dnnl.descriptor(
            (self.images, rows, self.line), self.element, (self.height * self.line, self.line, 1)
        )

    def half(self) -> c_void_p:
        """Summed down, [n, images, W C], as [images, n, W C]."""
        return dnnl.descriptor(
            (self.images, self.n, self.line), self.element, (self.line, self.images * self.line, 1)
        )

    def half_of_images(self) -> c_void_p:
        """The same as [n, images, W, C]."""
        return dnnl.descriptor((self.n, self.images, self.width, self.channels), self.element)

    def numbers(self) -> c_void_p:
        """[n, n, tiles, room, C], as [n, images, n tiles, C]."""
        step = self.room * self.channels
        return dnnl.descriptor(
            (self.n, self.images, self.wide, self.channels),
            self.element,
            (self.wide * step, self.channels, step, 1),
        )

    def matrix(self, *shape: int) -> c_void_p:
        return dnnl.descriptor(shape, self.element)


@cached
def _to_numbers(layout: _Layout, rows: int) -> tuple[Primitive, Primitive]:
    """The matrices times the pixels: first down, then along."""
    down, wide = layout.matrix(1, layout.n, rows), layout.matrix(1, 1, layout.wide, layout.width)
    return (
        Primitive("matmul", down, layout.pixels(rows), None, layout.half()),
        Primitive("matmul", wide, layout.half_of_images(), None, layout.numbers()),
    )


@cached
def _to_pixels(
    layout: _Layout, rows: int, bias: bool, added: bool, relu: bool
) -> tuple[Primitive, Primitive]:
    """The matrices times the numbers: first along, then down."""
    wide, down = layout.matrix(1, 1, layout.width, layout.wide), layout.matrix(1, rows, layout.n)
    made = layout.pixels(rows)
    biases = dnnl.descriptor((1, 1, layout.line), dnnl.FLOAT32) if bias else None
    attributes = post_operations(*[(dnnl.RELU, 0.0)] * relu, added=made if added else None)
    return (
        Primitive("matmul", wide, layout.numbers(), None, layout.half_of_images()),
        Primitive("matmul", down, layout.half(), biases, made, attributes=attributes),
    )


class Numbers:
    """The numbers of a row of tiles, [n, n, tiles, room, C] at `place`.

    Args:
        maps: of the image batches, N, C, H, W.
        images: how many are taken at once.
        room: for how many images.
    """

    def __init__(self, maps: Shape, element: int, images: int, room: int) -> None:
        self._layout = layout = _Layout(*maps[1:], element, images, room)
        self._size = BYTES[element]
        self._memory = new_bytes(layout.n * layout.wide * room * layout.channels * self._size)
        self._half = new_bytes(layout.n * images * layout.line * self._size)
        self.place = self._memory.data_ptr()

    def _pixels(self, image: paddle.Tensor, first: int, row: int) -> int:
        return image.data_ptr() + (first * self._layout.height + row) * self._layout.line * self._size

    def fill(
        self,
        image: paddle.Tensor,
        first: int,
        rows: tuple[int, int],
        matrices: Pair,
        at: int = 0,
    ) -> None:
        """From these pixel rows (the first, how many) of the images from `first` on; `at` is their place."""
        down, wide = _to_numbers(self._layout, rows[1])
        multiply(down, matrices[0].data_ptr(), self._pixels(image, first, rows[0]), self._half.data_ptr())
        place = self.place + at * self._layout.channels * self._size
        multiply(wide, matrices[1].data_ptr(), self._half.data_ptr(), place)

    def empty(
        self,
        image: paddle.Tensor,
        first: int,
        rows: tuple[int, int],
        matrices: Pair,
        bias: paddle.Tensor | None = None,
        added: paddle.Tensor | None = None,
        relu: bool = False,
    ) -> None:
        """Into these pixel rows; `bias` is that of a row, [W C], `added` another image batch."""
        wide, down = _to_pixels(self._layout, rows[1], bias is not None, added is not None, relu)
        more = {} if bias is None else {dnnl.BIAS: bias.data_ptr()}
        if added is not None:
            more[dnnl.ADDED] = self._pixels(added, first, rows[0])
        multiply(wide, matrices[1].data_ptr(), self.place, self._half.data_ptr())
        multiply(
            down, matrices[0].data_ptr(), self._half.data_ptr(), self._pixels(image, first, rows[0]), more
        )


def multiply(primitive: Primitive, left: int, right: int, result: int, more: Any = None) -> None:
    """Run a product on these addresses; `more` are further ones that it takes."""
    primitive.run({dnnl.SRC: left, dnnl.WEIGHTS: right, dnnl.DST: result, **(more or {})})
