"""Augmentations that hide a part of the image behind the mean colour: random erasing, cutout, GridMask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paddle_cifar.data.augment.base import Chance

# The mean of the CIFAR-100 training images, which normalisation takes to about zero.
MEAN_COLOUR = np.array((129, 124, 112), np.uint8).reshape(3, 1, 1)


@dataclass(frozen=True, eq=False)
class Boxes:
    """A rectangle for each image: first and one past the last row and column, integers (N,)."""

    top: np.ndarray
    bottom: np.ndarray
    left: np.ndarray
    right: np.ndarray

    def mask(self, height: int, width: int) -> np.ndarray:
        """Which pixels are inside, bool (N, 1, height, width)."""
        rows, columns = np.arange(height), np.arange(width)
        in_rows = (rows >= self.top[:, None]) & (rows < self.bottom[:, None])
        in_columns = (columns >= self.left[:, None]) & (columns < self.right[:, None])
        return (in_rows[:, :, None] & in_columns[:, None, :])[:, None]


def hide(images: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The images with the mean colour where ``mask`` (N, 1, H, W) holds."""
    return np.where(mask, MEAN_COLOUR, images)


class RandomErasing:
    """Hide a rectangle of 2 to 40 % of the image, with a probability (Zhong et al. 2017, arXiv:1708.04896).

    Sides have a ratio of 0.3 to 1/0.3, and the rectangle lies inside the image.
    Filled with the mean colour, as in the authors' code and the series; the paper's text says random values.

    Args:
        probability: of erasing anything.
    """

    AREA, LEAST_RATIO = (0.02, 0.4), 0.3
    SIDE = 32
    # Of 100 rectangles 5 do not fit; where none of five does, one image in two million, nothing is erased.
    ATTEMPTS = 5

    def __init__(self, probability: float = 0.5) -> None:
        self.probability = probability

    def draw(self, chance: Chance) -> Boxes:
        """A rectangle for each image, empty for those that stay whole."""
        rng, count, side = chance.rng, len(chance), self.SIDE
        area = rng.uniform(*self.AREA, (count, self.ATTEMPTS)) * side**2
        ratio = rng.uniform(self.LEAST_RATIO, 1 / self.LEAST_RATIO, (count, self.ATTEMPTS))
        heights = np.rint(np.sqrt(area * ratio)).astype(np.int64)
        widths = np.rint(np.sqrt(area / ratio)).astype(np.int64)
        fits = (heights < side) & (widths < side)
        attempt = np.arange(count), fits.argmax(1)  # the first that fits
        erased = (rng.random(count) < self.probability) & fits[attempt]
        height, width = heights[attempt] * erased, widths[attempt] * erased
        top, left = rng.integers(0, side - height + 1), rng.integers(0, side - width + 1)
        return Boxes(top, top + height, left, left + width)

    def apply(self, images: np.ndarray, choice: Boxes) -> np.ndarray:
        """Hide each rectangle."""
        return hide(images, choice.mask(*images.shape[-2:]))


class Cutout:
    """Hide a square about a random pixel, cut off at the border (DeVries and Taylor 2017, arXiv:1708.04552).

    Args:
        side: of the square, in pixels.
    """

    SIDE = 32

    def __init__(self, side: int = 16) -> None:
        self.side = side

    def draw(self, chance: Chance) -> Boxes:
        """A square for each image, which may reach over the border."""
        top, left = chance.rng.integers(0, self.SIDE, (2, len(chance))) - self.side // 2
        return Boxes(top, top + self.side, left, left + self.side)

    def apply(self, images: np.ndarray, choice: Boxes) -> np.ndarray:
        """Hide what of each square is inside."""
        return hide(images, choice.mask(*images.shape[-2:]))


@dataclass(frozen=True, eq=False)
class Grids:
    """A grid for each image: sides of its cell and its hidden square (0: none), and the shifts, all (N,)."""

    cell: np.ndarray
    square: np.ndarray
    down: np.ndarray
    across: np.ndarray


class GridMask:
    """Hide one square in every cell of a regular grid, with a probability.

    Chen et al. 2020, arXiv:2001.04086. The authors' setting for CIFAR: cells of 24
    to 32 pixels, 0.4 of whose sides stay clear. They raise the probability from 0 to
    0.8 over the run; here it is fixed.

    Args:
        probability: of hiding anything.
    """

    CELLS, CLEAR = (24, 33), 0.4

    def __init__(self, probability: float = 0.8) -> None:
        self.probability = probability

    def draw(self, chance: Chance) -> Grids:
        """A grid for each image."""
        rng, count = chance.rng, len(chance)
        cell = rng.integers(*self.CELLS, count)
        square = cell - np.floor(cell * self.CLEAR + 0.5).astype(np.int64)
        hidden = rng.random(count) < self.probability
        return Grids(cell, square * hidden, rng.integers(0, cell), rng.integers(0, cell))

    def apply(self, images: np.ndarray, choice: Grids) -> np.ndarray:
        """Hide each grid's squares."""

        def covered(pixels: int, shift: np.ndarray) -> np.ndarray:
            return (np.arange(pixels) + shift[:, None]) % choice.cell[:, None] < choice.square[:, None]

        rows = covered(images.shape[-2], choice.down)
        columns = covered(images.shape[-1], choice.across)
        return hide(images, (rows[:, :, None] & columns[:, None, :])[:, None])
