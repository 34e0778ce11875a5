"""An offline stand-in for CIFAR-100: 100 drawn classes under its names and labels.

A superclass is one of twenty silhouettes (a fish is a lens, a tree a triangle, an
insect a pair of wings), and its five classes are five colours of that silhouette.
Position, size, tilt, light, shadow, background and noise change from image to image,
so a class is neither a place nor a mean colour: the silhouette has to be seen. All
silhouettes are mirror-symmetric, because training flips images.

It is for trying the whole program without the archive, in seconds. Accuracies on it
say that training works, nothing about CIFAR-100.

The same seed gives the same bytes everywhere: randomness comes from the raw bits of
PCG64, whose stream NumPy promises not to change, and pixels from ``+ - * / sqrt`` in
float32, which IEEE 754 rounds alike on every machine. So no ``sin``, ``exp`` or
matrix product here: their last bit depends on the processor.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable

import numpy as np

from paddle_cifar.data.archive import Archive, Split
from paddle_cifar.data.labels import COARSE_NAMES, FINE_NAMES, FINE_TO_COARSE
from paddle_cifar.errors import UsageError

Plane = np.ndarray
"""float32, (images, 32, 32) or broadcastable to it."""

SIZE = 32
"""Side of an image, in pixels."""

COLOURS = ((213, 94, 0), (240, 228, 66), (0, 158, 115), (0, 114, 200), (214, 110, 175))
"""Vermilion, yellow, green, blue, pink: told apart by colour-blind eyes too (after Okabe and Ito)."""

CHUNK = 256
"""Images drawn at a time: a plane of them (1 MB) stays in the processor's cache."""


def make_synthetic(num_train: int = 5000, num_test: int = 1000, seed: int = 0) -> Archive:
    """Draw ``num_train`` and ``num_test`` images, classes balanced to within one, in shuffled order.

    The same ``seed`` (0 or more) gives the same bits. UsageError for fewer images than classes.
    """
    for name, count in (("num_train", num_train), ("num_test", num_test)):
        if count < len(FINE_NAMES):
            raise UsageError(
                f"{name} is {count}; synthetic data needs at least {len(FINE_NAMES)}, one image per class"
            )
    if seed < 0:
        raise UsageError(f"seed is {seed}; it must be 0 or greater")
    train, test = _make_split("train", num_train, (seed, 0)), _make_split("test", num_test, (seed, 1))
    digest = hashlib.sha256()
    for split in (train, test):
        for array in (split.images, split.fine_labels, split.coarse_labels):
            digest.update(array.astype(array.dtype.newbyteorder("<"), copy=False))
            array.setflags(write=False)
    return Archive(train, test, FINE_NAMES, COARSE_NAMES, sha256=digest.hexdigest())


def _make_split(name: str, count: int, entropy: tuple[int, int]) -> Split:
    bits = np.random.PCG64(entropy)
    order = np.argsort(bits.random_raw(count), kind="stable")
    fine_labels = (np.arange(count) % len(FINE_NAMES))[order].astype(np.int64)
    coarse_labels = np.asarray(FINE_TO_COARSE, dtype=np.int64)[fine_labels]
    return Split(
        images=_draw_images(fine_labels, coarse_labels, bits),
        fine_labels=fine_labels,
        coarse_labels=coarse_labels,
        filenames=[f"synthetic_{name}_{FINE_NAMES[k]}_{i:06d}.png" for i, k in enumerate(fine_labels)],
    )


# --- random numbers ---------------------------------------------------------------------------------


def _uniform(bits: np.random.PCG64, low: float, high: float, *shape: int) -> np.ndarray:
    """float32 in [low, high), from the top 24 bits of each raw draw."""
    unit = (bits.random_raw(shape) >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)
    return np.float32(low) + np.float32(high - low) * unit


def _grain(bits: np.random.PCG64, count: int) -> np.ndarray:
    """Noise around 0 of variance 1/12 for every pixel and channel, one byte each: (count, 3, 32, 32)."""
    raw = bits.random_raw((count, 3 * SIZE * SIZE // 8)).astype("<u8")
    return (raw.view(np.uint8).astype(np.float32) * np.float32(1 / 256) - np.float32(0.5)).reshape(
        count, 3, SIZE, SIZE
    )


# --- drawing ----------------------------------------------------------------------------------------


def _draw_images(fine_labels: np.ndarray, coarse_labels: np.ndarray, bits: np.random.PCG64) -> np.ndarray:
    """uint8 (N, 3, 32, 32): silhouette by silhouette, a chunk of images at a time."""
    images = np.empty((len(fine_labels), 3, SIZE, SIZE), dtype=np.uint8)
    colour_of = _rank_in_superclass()
    for coarse, silhouette in enumerate(SILHOUETTES):
        members = np.flatnonzero(coarse_labels == coarse)
        for start in range(0, len(members), CHUNK):
            chunk = members[start : start + CHUNK]
            images[chunk] = _draw_chunk(silhouette, colour_of[fine_labels[chunk]], bits)
    return images


def _rank_in_superclass() -> np.ndarray:
    """For every fine class, 0 to 4: its place among the classes of its superclass."""
    coarse = np.asarray(FINE_TO_COARSE)
    return np.array([np.count_nonzero(coarse[:fine] == coarse[fine]) for fine in range(len(coarse))])


def _draw_chunk(
    silhouette: Callable[[Plane, Plane], Plane], colour_index: np.ndarray, bits: np.random.PCG64
) -> np.ndarray:
    count = len(colour_index)
    pixel = np.arange(SIZE, dtype=np.float32) - np.float32((SIZE - 1) / 2)
    column, row = pixel[None, None, :], pixel[None, :, None]

    # Pose. A tilt of tangent 2t / (1 - t^2), up to 14 degrees, needs no sine.
    radius = _uniform(bits, 8.5, 11.5, count, 1, 1)
    centre_x, centre_y = _uniform(bits, -3.5, 3.5, 2, count, 1, 1)
    half_tangent = _uniform(bits, -0.12, 0.12, count, 1, 1)
    square = half_tangent * half_tangent
    cosine, sine = (1 - square) / (1 + square), 2 * half_tangent / (1 + square)
    shift_x, shift_y = column - centre_x, row - centre_y
    x = (cosine * shift_x + sine * shift_y) / radius
    y = (cosine * shift_y - sine * shift_x) / radius

    # |x|: every silhouette is its own mirror image. Distances are in radii, coverage fades over one pixel.
    distance = silhouette(np.abs(x), y) * radius
    coverage = np.clip(np.float32(0.5) - distance, 0, 1)
    rim = np.clip(np.float32(1.0) + distance * np.float32(0.4), 0, 1)  # 1 at the edge, 0 some pixels inside
    shadow = np.clip(np.float32(0.8) - distance * np.float32(0.25), 0, 1)

    # Light falls across the whole image; the figure is also lit from above and darker at its rim.
    light_x, light_y = _uniform(bits, -0.012, 0.012, 2, count, 1, 1)
    light = _uniform(bits, 0.75, 1.1, count, 1, 1) + light_x * column + light_y * row
    figure_light = light * (np.float32(1.03) - np.float32(0.16) * y - np.float32(0.22) * rim * rim)
    back_light = light * (1 - np.float32(0.45) * shadow * shadow)

    figure = np.array(COLOURS, dtype=np.float32)[colour_index, :, None, None] / np.float32(255)
    figure = figure + _uniform(bits, -0.05, 0.05, count, 3, 1, 1)
    image = _background(count, column, row, bits) * back_light[:, None]
    image += coverage[:, None] * (figure * figure_light[:, None] - image)
    image += _grain(bits, count) * _uniform(bits, 0.05, 0.2, count, 1, 1, 1)
    return (np.clip(image, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)


def _background(count: int, column: Plane, row: Plane, bits: np.random.PCG64) -> np.ndarray:
    """A gradient between two muted colours, with soft stripes, checks or clouds: (count, 3, 32, 32)."""
    grey = _uniform(bits, 0.12, 0.9, count, 1, 1, 1)
    first = grey + _uniform(bits, -0.16, 0.16, count, 3, 1, 1)
    second = grey + _uniform(bits, -0.2, 0.2, count, 1, 1, 1) + _uniform(bits, -0.16, 0.16, count, 3, 1, 1)

    # A direction without sine or cosine: a point of the square, off its centre, made a unit vector.
    across, down = _uniform(bits, -1, 1, 2, count, 1, 1)
    length = np.sqrt(across * across + down * down) + np.float32(1e-3)
    along = (across * column + down * row) / length
    crosswise = (across * row - down * column) / length
    ramp = np.clip(np.float32(0.5) + along * np.float32(1 / 40), 0, 1)

    # Pattern: parabolic waves along both axes of the direction; either may be absent.
    pattern = np.zeros((count, SIZE, SIZE), dtype=np.float32)
    for axis in (along, crosswise):
        period = _uniform(bits, 5.0, 14.0, count, 1, 1)
        amount = np.maximum(_uniform(bits, -0.08, 0.1, count, 1, 1), 0)
        pattern += amount * _wave(axis / period + _uniform(bits, 0, 1, count, 1, 1))
    pattern += np.float32(0.22) * _clouds(count, bits)
    return first + (second - first) * ramp[:, None] + pattern[:, None]


def _wave(phase: Plane) -> Plane:
    """Period 1, values -1 to 1: two parabolas in place of a sine."""
    turn = phase - np.floor(phase)
    side = np.float32(0.5) - turn
    return np.float32(16) * side * (np.float32(0.5) - np.abs(side))


def _clouds(count: int, bits: np.random.PCG64, cells: int = 5) -> Plane:
    """Smooth noise, -0.5 to 0.5: random values on a coarse grid, blended between its points."""
    grid = _uniform(bits, -0.5, 0.5, count, cells + 1, cells + 1)
    place = np.arange(SIZE, dtype=np.float32) * np.float32(cells / SIZE)
    cell = place.astype(np.int64)
    blend = place - cell.astype(np.float32)
    blend = blend * blend * (3 - 2 * blend)
    rows = grid[:, cell] + (grid[:, cell + 1] - grid[:, cell]) * blend[:, None]
    return rows[:, :, cell] + (rows[:, :, cell + 1] - rows[:, :, cell]) * blend


# --- silhouettes ------------------------------------------------------------------------------------
# Signed distance functions: negative inside, positive outside, in units of the figure's radius. Each
# takes |x| and y (downwards), and returns the distance for every pixel. Union is ``minimum``,
# intersection ``maximum``, and "a without b" ``maximum(a, -b)``.


def _circle(x: Plane, y: Plane, cx: float, cy: float, r: float) -> Plane:
    dx, dy = x - np.float32(cx), y - np.float32(cy)
    return np.sqrt(dx * dx + dy * dy) - np.float32(r)


def _box(x: Plane, y: Plane, cx: float, cy: float, half_width: float, half_height: float) -> Plane:
    dx = np.abs(x - np.float32(cx)) - np.float32(half_width)
    dy = np.abs(y - np.float32(cy)) - np.float32(half_height)
    return np.maximum(dx, dy)


def _edge(x: Plane, y: Plane, x1: float, y1: float, x2: float, y2: float) -> Plane:
    """Half-plane on the right hand of one who walks from point 1 to point 2."""
    dx, dy = x2 - x1, y2 - y1
    length = math.sqrt(dx * dx + dy * dy)
    return (x - np.float32(x1)) * np.float32(dy / length) - (y - np.float32(y1)) * np.float32(dx / length)


def _crescent(x: Plane, y: Plane) -> Plane:  # aquatic mammals: a fluke
    return np.maximum(_circle(x, y, 0, 0, 1), -_circle(x, y, 0, -0.55, 0.85))


def _lens(x: Plane, y: Plane) -> Plane:  # fish
    return np.maximum(_circle(x, y, 0, 0.75, 1.28), _circle(x, y, 0, -0.75, 1.28))


def _clover(x: Plane, y: Plane) -> Plane:  # flowers: four petals
    return _circle(x, np.abs(y), 0.5, 0.5, 0.48)


def _cup(x: Plane, y: Plane) -> Plane:  # food containers: a U
    return np.maximum(_box(x, y, 0, 0, 0.9, 0.9), -_box(x, y, 0, -0.6, 0.5, 1.0))


def _disc(x: Plane, y: Plane) -> Plane:  # fruit and vegetables
    return _circle(x, y, 0, 0, 0.95)


def _frame(x: Plane, y: Plane) -> Plane:  # household electrical devices: a screen
    return np.abs(_box(x, y, 0, 0, 0.74, 0.74)) - np.float32(0.19)


def _table(x: Plane, y: Plane) -> Plane:  # household furniture: a T
    return np.minimum(_box(x, y, 0, -0.66, 1.0, 0.28), _box(x, y, 0, 0.2, 0.27, 0.8))


def _wings(x: Plane, y: Plane) -> Plane:  # insects: two triangles, point to point
    return np.maximum(_edge(x, np.abs(y), 1.0, 0.9, 0.0, 0.12), x - 1)


def _diamond(x: Plane, y: Plane) -> Plane:  # large carnivores: a cat's eye, upright
    return (x * np.float32(1.35) + np.abs(y) - np.float32(1.1)) * np.float32(0.6)


def _gate(x: Plane, y: Plane) -> Plane:  # large man-made outdoor things: an H, pillars and bridge
    return np.minimum(_box(x, y, 0.66, 0, 0.25, 0.95), _box(x, y, 0, 0, 0.6, 0.22))


def _hill(x: Plane, y: Plane) -> Plane:  # large natural outdoor scenes: half a disc
    return np.maximum(_circle(x, y, 0, 0.5, 1.1), y - np.float32(0.5))


def _square(x: Plane, y: Plane) -> Plane:  # large omnivores and herbivores
    return _box(x, y, 0, 0, 0.82, 0.82)


def _heart(x: Plane, y: Plane) -> Plane:  # medium mammals
    cheek = _circle(x, y, 0.45, -0.38, 0.52)
    point = np.maximum(_edge(x, y, 0.85, -0.05, 0.0, 0.98), -(y + np.float32(0.3)))
    return np.minimum(cheek, point)


def _star(x: Plane, y: Plane) -> Plane:  # non-insect invertebrates: a starfish
    # Five long lines cross in a pentagram: a point is inside if at most one line has it outside.
    a = _edge(x, y, 0.0, -1.0, 0.588, 0.809)
    b = _edge(-x, y, 0.0, -1.0, 0.588, 0.809)
    c = _edge(x, y, 0.951, -0.309, -0.588, 0.809)
    d = _edge(-x, y, 0.951, -0.309, -0.588, 0.809)
    e = np.float32(-0.309) - y
    lines = np.stack((a, b, c, d, e))
    lines.sort(axis=0)
    return lines[3]


def _person(x: Plane, y: Plane) -> Plane:  # people: head and shoulders
    return np.minimum(
        _circle(x, y, 0, -0.52, 0.43), np.maximum(_circle(x, y, 0, 0.95, 0.85), y - np.float32(0.95))
    )


def _bars(x: Plane, y: Plane) -> Plane:  # reptiles: three stripes
    return np.minimum(_box(x, np.abs(y), 0, 0.72, 0.92, 0.2), _box(x, y, 0, 0, 0.92, 0.2))


def _ears(x: Plane, y: Plane) -> Plane:  # small mammals: two dots
    return _circle(x, y, 0.55, 0, 0.44)


def _triangle(x: Plane, y: Plane) -> Plane:  # trees
    return np.maximum(_edge(x, y, 0.0, -1.0, 1.0, 0.8), y - np.float32(0.8))


def _ring(x: Plane, y: Plane) -> Plane:  # vehicles 1: a wheel
    return np.abs(_circle(x, y, 0, 0, 0.76)) - np.float32(0.22)


def _cross(x: Plane, y: Plane) -> Plane:  # vehicles 2: wings and fuselage
    return np.minimum(_box(x, y, 0, 0, 1.0, 0.29), _box(x, y, 0, 0, 0.29, 1.0))


SILHOUETTES = (
    _crescent,
    _lens,
    _clover,
    _cup,
    _disc,
    _frame,
    _table,
    _wings,
    _diamond,
    _gate,
    _hill,
    _square,
    _heart,
    _star,
    _person,
    _bars,
    _ears,
    _triangle,
    _ring,
    _cross,
)
"""One per superclass, in the order of ``COARSE_NAMES``."""
