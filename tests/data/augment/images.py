"""Images and chances that the tests of this folder share."""

import numpy as np
from PIL import Image

from paddle_cifar.data.augment import Chance


def chance(seed=0, count=20, epoch=0, indices=None):
    indices = np.arange(count) if indices is None else indices
    return Chance(np.random.default_rng(seed), indices, epoch, seed)


def noise(count=20, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)


def awkward():
    """Noise, a ramp, narrow ranges, one colour, two colours, mostly white, dark: uint8 (N, 3, 32, 32)."""
    rng = np.random.default_rng(1)
    random = noise(6)
    ramp = np.arange(32)[None, None, :, None] * 4 + np.arange(32) * 3 + np.array((0, 20, 37)).reshape(3, 1, 1)
    narrow = rng.integers(100, 103, (2, 3, 32, 32))
    flat = np.stack([np.full((3, 32, 32), value) for value in (0, 77, 255)])
    two = rng.integers(0, 2, (2, 3, 32, 32)) * 200 + 20
    mostly = np.full((2, 3, 32, 32), 255)
    mostly[:, :, ::7, ::5] = rng.integers(0, 256, (2, 3, 5, 7))
    dark = (random[:3] // 9).astype(np.int64)
    return np.concatenate((random, ramp, narrow, flat, two, mostly, dark)).astype(np.uint8)


def to_pil(image):
    return Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))


def from_pil(image):
    return np.asarray(image).transpose(2, 0, 1)
