"""What an augmentation is, and what its random choice may depend on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np


@dataclass(frozen=True, eq=False)
class Chance:
    """All that the random choices for one batch may depend on.

    ``rng`` follows from seed, epoch, and step; ``indices`` (N,) are the images' places
    in the training set; ``epoch`` counts from 0; ``seed`` is the run's.
    """

    rng: np.random.Generator
    indices: np.ndarray
    epoch: int = 0
    seed: int = 0

    def __len__(self) -> int:
        return len(self.indices)


class Augmentation(Protocol):
    """One augmentation of a batch of uint8 images (N, 3, H, W)."""

    def draw(self, chance: Chance) -> Any:
        """Choose at random what happens to each of the batch's images."""
        ...

    def apply(self, images: np.ndarray, choice: Any) -> np.ndarray:
        """Carry out a choice on uint8 images (N, 3, H, W); returns a new batch of the same shape and type."""
        ...


def augment(images: np.ndarray, augmentations: Sequence[Augmentation], chance: Chance) -> np.ndarray:
    """Apply each augmentation in turn to a batch of uint8 images (N, 3, H, W)."""
    for augmentation in augmentations:
        images = augmentation.apply(images, augmentation.draw(chance))
    return images
