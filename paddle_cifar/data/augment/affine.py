"""Affine maps of whole batches with nearest neighbours, bit for bit those of ``PIL.Image.transform``."""

from __future__ import annotations

import numpy as np

FIXED_POINT = 16  # bits after the point in Pillow's coordinates


def affine(images: np.ndarray, matrices: np.ndarray) -> np.ndarray:
    """Map each image by its own matrix; what comes in from outside is black.

    Args:
        images: uint8 (N, 3, H, W).
        matrices: (N, 6) rows (a, b, c, d, e, f): the pixel at (x, y) of the new image is the one
            at (ax + by + c, dx + ey + f) of the old, coordinates of pixel centres at .5.
    """
    count, channels, height, width = images.shape
    column = _coordinates(*matrices[:, :3].T, height, width)
    row = _coordinates(*matrices[:, 3:].T, height, width)
    # One comparison for both ends: a negative number is a huge one without its sign.
    inside = (column.view(np.uint32) < width) & (row.view(np.uint32) < height)
    source = np.where(inside, row * width + column, 0).reshape(count, 1, -1)
    first = np.arange(count * channels).reshape(count, channels, 1) * (height * width)
    moved = images.reshape(-1).take(source + first).reshape(images.shape)
    moved *= inside[:, None]
    return moved


def _coordinates(
    x_step: np.ndarray, y_step: np.ndarray, start: np.ndarray, rows: int, columns: int
) -> np.ndarray:
    """Whole source coordinates, int32 (N, rows, columns), in Pillow's fixed-point arithmetic."""
    start = start + x_step * 0.5 + y_step * 0.5
    x_step, y_step, start = (
        np.floor(part * 2**FIXED_POINT + 0.5).astype(np.int32)[:, None, None]
        for part in (x_step, y_step, start)
    )
    x, y = np.arange(columns, dtype=np.int32), np.arange(rows, dtype=np.int32)[:, None]
    return (start + x_step * x + y_step * y) >> FIXED_POINT


def rotate(images: np.ndarray, degrees: np.ndarray) -> np.ndarray:
    """Turn each image anticlockwise about its centre by its angle, (N,)."""
    height, width = images.shape[-2:]
    # The remainder and the fifteen digits are Pillow's.
    angles = -np.radians(np.asarray(degrees, np.float64) % 360)
    cos, sin, minus_sin = (
        np.round(np.cos(angles), 15),
        np.round(np.sin(angles), 15),
        np.round(-np.sin(angles), 15),
    )
    x, y = width / 2, height / 2
    c = cos * -x + sin * -y + x
    f = minus_sin * -x + cos * -y + y
    return affine(images, np.stack((cos, sin, c, minus_sin, cos, f), axis=1))


def _identities(count: int) -> np.ndarray:
    return np.tile(np.array((1, 0, 0, 0, 1, 0), np.float64), (count, 1))


def _with(place: int, values: np.ndarray) -> np.ndarray:
    matrices = _identities(len(values))
    matrices[:, place] = values
    return matrices


def shear_x(images: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Shift each row by its height times a factor, (N,); the top row stays."""
    return affine(images, _with(1, factors))


def shear_y(images: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Shift each column by its place times a factor, (N,); the left column stays."""
    return affine(images, _with(3, factors))


def translate_x(images: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Shift each image to the left by whole pixels, (N,)."""
    return affine(images, _with(2, np.trunc(pixels)))


def translate_y(images: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Shift each image up by whole pixels, (N,)."""
    return affine(images, _with(5, np.trunc(pixels)))
