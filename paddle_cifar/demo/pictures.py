"""Pictures on the page: the network's 32x32 enlarged, and drawn ones to try the page with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from paddle_cifar.data.labels import FINE_NAMES
from paddle_cifar.data.synthetic import make_synthetic

SHOWN = 256  # pixels of a picture's side on the page
EXAMPLES = ("trout", "sunflower", "bee", "palm_tree", "bus", "man")


def draw_examples(folder: Path) -> list[Path]:
    """Write a picture of the stand-in for each of EXAMPLES: PNG files named after their classes."""
    test = make_synthetic(100, 100).test
    drawn = dict(zip(test.fine_labels.tolist(), test.images, strict=True))
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.png" for name in EXAMPLES]
    for name, path in zip(EXAMPLES, paths, strict=True):
        image = drawn[FINE_NAMES.index(name)]
        Image.fromarray(enlarged(image.transpose(1, 2, 0))).save(path)
    return paths


def enlarged(image: np.ndarray) -> np.ndarray:
    """uint8 (32, 32, 3) with every pixel as a square: (256, 256, 3)."""
    times = SHOWN // image.shape[0]
    return np.ascontiguousarray(image.repeat(times, axis=0).repeat(times, axis=1))
