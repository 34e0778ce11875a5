"""Training augmentations on whole uint8 batches, (N, 3, H, W).

Each one keeps the random choice (``draw``) apart from its effect (``apply``),
so that the effect can be tested without chance. ``build_augmentations``
composes them by name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from paddle_cifar.config import augmentation_names
from paddle_cifar.errors import unknown_name


class Augmentation(Protocol):
    """One augmentation of a batch of uint8 images (N, 3, H, W)."""

    def draw(self, rng: np.random.Generator, batch: int) -> Any:
        """Choose at random what happens to each of ``batch`` images."""
        ...

    def apply(self, images: np.ndarray, choice: Any) -> np.ndarray:
        """Carry out a choice; returns a new batch of the same shape and type."""
        ...


class RandomCrop:
    """Shift each image by up to ``padding`` pixels; what comes in from outside is black (He et al. 2015)."""

    def __init__(self, padding: int = 4) -> None:
        self.padding = padding

    def draw(self, rng: np.random.Generator, batch: int) -> np.ndarray:
        """Corners (N, 2) of the crop in the padded image: row and column, 0 to 2 * padding."""
        return rng.integers(0, 2 * self.padding + 1, size=(batch, 2))

    def apply(self, images: np.ndarray, choice: np.ndarray) -> np.ndarray:
        """Cut the window at each corner out of the padded images."""
        pad = self.padding
        height, width = images.shape[-2:]
        padded = np.pad(images, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(2, 3))
        return windows[np.arange(len(images)), :, choice[:, 0], choice[:, 1]]


class RandomFlip:
    """Mirror half of the images left to right."""

    def draw(self, rng: np.random.Generator, batch: int) -> np.ndarray:
        """Which images are mirrored, bool (N,)."""
        return rng.random(batch) < 0.5

    def apply(self, images: np.ndarray, choice: np.ndarray) -> np.ndarray:
        """Mirror the chosen images."""
        flipped = images.copy()
        flipped[choice] = images[choice, :, :, ::-1]
        return flipped


AUGMENTATIONS: dict[str, Callable[[], Augmentation]] = {"crop": RandomCrop, "flip": RandomFlip}


def build_augmentations(names: str) -> list[Augmentation]:
    """Augmentations from a comma separated list such as ``crop,flip``; ``none`` or an empty list gives none.

    Raises UsageError with the nearest names for an unknown one.
    """
    wanted = augmentation_names(names)
    for name in wanted:
        if name not in AUGMENTATIONS:
            raise unknown_name("augmentation", name, AUGMENTATIONS)
    return [AUGMENTATIONS[name]() for name in wanted]


def augment(images: np.ndarray, augmentations: list[Augmentation], rng: np.random.Generator) -> np.ndarray:
    """Apply each augmentation in turn to a batch of uint8 images (N, 3, H, W)."""
    for augmentation in augmentations:
        images = augmentation.apply(images, augmentation.draw(rng, len(images)))
    return images
