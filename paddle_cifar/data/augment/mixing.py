"""Augmentations that mix pairs of images and their labels, within a batch of normalised float images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from paddle_cifar.data.augment.base import Chance


@dataclass(frozen=True, eq=False)
class Mixed:
    """A mixed batch: images float32 (N, 3, H, W), each one's partner in the batch and own share, (N,)."""

    images: np.ndarray
    partner: np.ndarray
    share: np.ndarray

    def labels(self, labels: np.ndarray, classes: int) -> np.ndarray:
        """Soft labels, float32 (N, classes), from integer ones (N,)."""
        soft = np.zeros((len(labels), classes), np.float32)
        rows = np.arange(len(labels))
        soft[rows, labels] = self.share
        # Added, not assigned: partners often have the same class.
        soft[rows, labels[self.partner]] += 1 - self.share
        return soft


class Mixing(Protocol):
    """One way of mixing a batch of float32 images (N, 3, H, W)."""

    def draw(self, chance: Chance) -> Any:
        """Choose partners and shares at random."""
        ...

    def apply(self, images: np.ndarray, choice: Any) -> Mixed:
        """Carry out a choice."""
        ...


@dataclass(frozen=True, eq=False)
class Pairs:
    """Each image's partner (N,), the share it keeps, and for CutMix where the partner's patch is centred.

    ``centre`` is (row, column) as fractions of the image's side: the choice holds for any resolution.
    """

    partner: np.ndarray
    share: float
    centre: tuple[float, float] = (0.5, 0.5)


class MixUp:
    """Blend each image with a partner, one share a batch (Zhang et al. 2017, arXiv:1710.09412).

    Args:
        alpha: the share is drawn from Beta(alpha, alpha). The paper's 1 is for 200 epochs; short
            training gains from less.
    """

    def __init__(self, alpha: float = 0.2) -> None:
        self.alpha = alpha

    def draw(self, chance: Chance) -> Pairs:
        """Partners by a permutation of the batch, and the share."""
        return Pairs(chance.rng.permutation(len(chance)), float(chance.rng.beta(self.alpha, self.alpha)))

    def apply(self, images: np.ndarray, choice: Pairs) -> Mixed:
        """Blend the pairs."""
        share = np.float32(choice.share)
        blended = images * share
        blended += images[choice.partner] * (1 - share)
        return Mixed(blended, choice.partner, np.full(len(images), share))


class CutMix:
    """Paste a patch of a partner into each image, one rectangle a batch (Yun et al. 2019, arXiv:1905.04899).

    The patch has the image's proportions and is cut off at the border; the labels
    have the shares of pixels that are left then.

    Args:
        alpha: the share, before the cut, is drawn from Beta(alpha, alpha).
    """

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def draw(self, chance: Chance) -> Pairs:
        """Partners, the share, and where the patch goes."""
        partner = chance.rng.permutation(len(chance))
        share = float(chance.rng.beta(self.alpha, self.alpha))
        row, column = chance.rng.random(2)
        return Pairs(partner, share, (float(row), float(column)))

    def apply(self, images: np.ndarray, choice: Pairs) -> Mixed:
        """Paste the patches."""
        height, width = images.shape[-2:]
        (top, bottom), (left, right) = (
            _span(side, choice.share, centre)
            for side, centre in zip((height, width), choice.centre, strict=True)
        )
        mixed = images.copy()
        mixed[:, :, top:bottom, left:right] = images[choice.partner, :, top:bottom, left:right]
        share = 1 - (bottom - top) * (right - left) / (height * width)
        return Mixed(mixed, choice.partner, np.full(len(images), share, np.float32))


def _span(side: int, share: float, centre: float) -> tuple[int, int]:
    """First and one past the last pixel of a patch along one side; the patch covers 1 - share of the area."""
    length, middle = int(side * (1 - share) ** 0.5), int(side * centre)
    first = middle - length // 2
    return max(first, 0), min(first + length, side)


def mix(
    images: np.ndarray, labels: np.ndarray, mixing: Sequence[Mixing], chance: Chance, classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Mix a batch in one of the ways of ``mixing``, drawn for this batch; with none, leave it as it is.

    Returns:
        (images float32 (N, 3, H, W), labels): soft labels, float32 (N, classes), if the batch was mixed.
    """
    if not mixing:
        return images, labels
    way = mixing[int(chance.rng.integers(len(mixing)))]
    mixed = way.apply(images, way.draw(chance))
    return mixed.images, mixed.labels(labels, classes)
