"""The small matrices of Winograd's convolution (`winograd.py`), and how a map is cut into tiles.

Toom and Cook's multiplication of polynomials, transposed to a correlation: for a kernel of 3 and m output
pixels of one axis, both pixels and kernel are taken to m + 2 numbers, whose products are taken to the output.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import paddle

from paddle_cifar.engine import dnnl
from paddle_cifar.engine.primitive import cached
from paddle_cifar.engine.tensors import BYTES, new_bytes, reorder

TAPS = 3  # of the kernel, along each axis
EXACT = 2**20  # times this, all numbers in the matrices of pixels are integers
# Where the polynomials are evaluated, for each side of a tile's output; infinity comes last. Of the points
# tried (0, then pairs from 1/2 to 2) these leave the least rounding in bf16. Tiles of 2 never pay on the maps
# that come here, those of 5 round too much.
POINTS = {3: (0, 0.5, -1, 2), 4: (0, 0.75, -0.75, 1.5, -1.5)}


class Axis(NamedTuple):
    """The matrices of one axis, in float64; those of pixels and output have few bits, and are exact."""

    pixels: np.ndarray  # [n, n], of m + 2 = n pixels to their numbers
    kernel: np.ndarray  # [n, 3]
    output: np.ndarray  # [m, n], of numbers to pixels


@cached
def axis(side: int) -> Axis:
    """For tiles that make so many pixels along it."""
    count = side + TAPS - 1

    def powers(most: int) -> np.ndarray:
        infinity = [0.0] * (most - 1) + [1.0]
        return np.array([[float(x) ** power for power in range(most)] for x in POINTS[side]] + [infinity])

    pixels, kernel, output = np.linalg.inv(powers(count)).T, powers(TAPS), powers(side).T
    # A row of pixels is a polynomial of the other points' roots, divided by its value at the row's own point.
    # Left undivided it has few bits, and the kernel takes the division: it is rounded anyway. What is zero is
    # exactly so, and left out of the sums.
    leading = pixels[np.arange(count), [count - 2] * (count - 1) + [count - 1]]
    # Numbers of even size round less; powers of two cost no bit.
    seen = leading * 2.0 ** np.round(np.log2(np.linalg.norm(pixels, axis=1) / abs(leading)))
    made = 2.0 ** np.round(np.log2(np.linalg.norm(output, axis=0)))
    exact = np.round(pixels / seen[:, None] * EXACT) / EXACT
    return Axis(exact, kernel * (seen * made)[:, None], output / made)


class Tiling(NamedTuple):
    """How a map is cut: the side of a tile's output, rows of tiles, and tiles in a row."""

    side: int
    down: int
    along: int

    @property
    def n(self) -> int:
        """Numbers of a tile, along each axis."""
        return self.side + TAPS - 1

    @property
    def numbers(self) -> int:
        """Of a tile."""
        return self.n**2


@cached
def tiling(height: int, width: int) -> Tiling:
    """The one with the fewest numbers."""
    every = (Tiling(side, -(-height // side), -(-width // side)) for side in POINTS)
    return min(every, key=lambda tiles: tiles.down * tiles.along * tiles.numbers)


Matrix = tuple[tuple[float, ...], ...]


class Sums(NamedTuple):
    """Constant matrices: down the columns of a map, and of one tile along its rows."""

    down: Matrix
    along: Matrix


class Strip(NamedTuple):
    """A row of tiles: the first pixel row it sees and the first it makes, and its sums."""

    seen: int
    made: int
    pixels: Sums  # [n, rows seen] and [n, n]: of pixels to numbers
    output: Sums  # [rows made, n] and [m, n]: of numbers to pixels
    back: Sums  # its transposes


@cached
def strips(height: int, width: int) -> tuple[Strip, ...]:
    """Those of a map. Rows beyond its border are left out of the matrices."""
    side, down, _ = tiling(height, width)
    matrices, found = axis(side), []
    for number in range(down):
        made = number * side
        rows = np.arange(made - 1, made + side + 1)
        inside = (rows >= 0) & (rows < height)
        into, out = matrices.pixels[:, inside], matrices.output[: height - made]
        sums = (into, matrices.pixels), (out, matrices.output), (out.T, matrices.output.T)
        constants = (Sums(*map(_constant, pair)) for pair in sums)
        found.append(Strip(int(rows[inside][0]), made, *constants))
    return tuple(found)


def _constant(matrix: np.ndarray) -> Matrix:
    return tuple(map(tuple, matrix.tolist()))


@cached
def kernel_matrices(side: int, element: int) -> dict[str, paddle.Tensor]:
    """[numbers, 9] from a kernel to its numbers, the same for one turned round, and [9, numbers] back."""
    along = axis(side).kernel
    both = np.einsum("ay,bx->abyx", along, along).reshape(-1, TAPS * TAPS)
    return {
        "plain": _tensor(both, element),
        "turned": _tensor(both[:, ::-1], element),
        "back": _tensor(both.T, dnnl.FLOAT32),
    }


def _tensor(values: np.ndarray, element: int) -> paddle.Tensor:
    layout = dnnl.descriptor(values.shape, dnnl.FLOAT32)
    tensor, result = paddle.to_tensor(values.astype(np.float32)), new_bytes(values.size * BYTES[element])
    reorder(tensor.data_ptr(), layout, result.data_ptr(), dnnl.descriptor(values.shape, element))
    return result
