"""Shrinking a whole batch with two small matrix products."""

from __future__ import annotations

from functools import lru_cache

import numpy as np


@lru_cache
def bilinear_weights(side: int, new_side: int) -> np.ndarray:
    """Matrix (new_side, side) float32 that shrinks one axis as Pillow's BILINEAR does.

    Each new pixel is a mean under a triangle that reaches one new pixel to both
    sides: as wide as it must be to let nothing alias.
    """
    scale = side / new_side
    centres = (np.arange(new_side)[:, None] + 0.5) * scale
    distances = np.abs(np.arange(side) + 0.5 - centres) / scale
    weights = np.maximum(1 - distances, 0)
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)


def shrink(images: np.ndarray, side: int) -> np.ndarray:
    """Float images (N, 3, H, H) to (N, 3, side, side), float32; ``side`` at most H.

    Pillow rounds to whole grey levels after each axis and this does not: they
    differ by one level at most.
    """
    if images.shape[-1] == side:
        return images
    weights = bilinear_weights(images.shape[-1], side)
    return np.matmul(weights, images @ weights.T)
