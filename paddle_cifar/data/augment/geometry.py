"""Augmentations that move pixels: crop, flips and rotation."""

from __future__ import annotations

import numpy as np

from paddle_cifar.data.augment.affine import rotate
from paddle_cifar.data.augment.base import Chance


class RandomCrop:
    """Shift each image by up to ``padding`` pixels; what comes in from outside is black (He et al. 2015)."""

    def __init__(self, padding: int = 4) -> None:
        self.padding = padding

    def draw(self, chance: Chance) -> np.ndarray:
        """Corners (N, 2) of the crop in the padded image: row and column, 0 to 2 * padding."""
        return chance.rng.integers(0, 2 * self.padding + 1, size=(len(chance), 2))

    def apply(self, images: np.ndarray, choice: np.ndarray) -> np.ndarray:
        """Cut the window at each corner out of the padded images."""
        pad = self.padding
        height, width = images.shape[-2:]
        padded = np.pad(images, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(2, 3))
        return windows[np.arange(len(images)), :, choice[:, 0], choice[:, 1]]


class RandomFlip:
    """Mirror half of the images left to right."""

    def draw(self, chance: Chance) -> np.ndarray:
        """Which images are mirrored, bool (N,)."""
        return chance.rng.random(len(chance)) < 0.5

    def apply(self, images: np.ndarray, choice: np.ndarray) -> np.ndarray:
        """Mirror the chosen images."""
        flipped = images.copy()
        flipped[choice] = images[choice, :, :, ::-1]
        return flipped


class AlternatingFlip(RandomFlip):
    """Mirror a fixed random half in even epochs and the other half in odd ones.

    Jordan 2024, arXiv:2404.00498. Any two epochs in a row show both views of every image; with random flips
    half of the images show the same view twice.
    """

    def draw(self, chance: Chance) -> np.ndarray:
        """Which images are mirrored, bool (N,): a function of (seed, index, epoch) alone."""
        return first_half(chance.indices, chance.seed) ^ bool(chance.epoch % 2)


def first_half(indices: np.ndarray, seed: int) -> np.ndarray:
    """A fair coin for each index and seed, bool (N,), by the mixing of SplitMix64 (Steele et al. 2014)."""
    start = np.uint64((seed + 1) * 0x9E3779B97F4A7C15 % 2**64)
    bits = np.asarray(indices, np.uint64) * np.uint64(0x9E3779B97F4A7C15) + start
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (bits >> np.uint64(63)).astype(bool)


class RandomRotation:
    """Turn each image about its centre by up to ``degrees`` either way; black comes in at the corners."""

    def __init__(self, degrees: float = 15) -> None:
        self.degrees = degrees

    def draw(self, chance: Chance) -> np.ndarray:
        """Angles (N,) in degrees, anticlockwise."""
        return chance.rng.uniform(-self.degrees, self.degrees, len(chance))

    def apply(self, images: np.ndarray, choice: np.ndarray) -> np.ndarray:
        """Turn each image by its angle, nearest neighbours."""
        return rotate(images, choice)
