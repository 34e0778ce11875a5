"""Which operations happen, and how strongly: colour jitter, AutoAugment, RandAugment, TrivialAugment.

Magnitudes are torchvision's, interpolation is by nearest neighbours and what comes in is black, as there.
"""

from __future__ import annotations

import numpy as np

from paddle_cifar.data.augment.base import Chance
from paddle_cifar.data.augment.operations import NUMBER, Steps

SIDE = 32
SIGNED = (
    *("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate"),
    *("Brightness", "Color", "Contrast", "Sharpness"),
)
BLENDS = ("Brightness", "Color", "Contrast", "Sharpness")
SPACE = ("Identity", *SIGNED, "Posterize", "Solarize", "AutoContrast", "Equalize")


def magnitudes(bins: int, widest: dict[str, float]) -> np.ndarray:
    """Unsigned magnitude of every operation in ``bins`` bins, (operations, bins).

    ``widest`` gives the last bin's: a sum that is added for signed operations,
    the bits that Posterize takes away. Solarize goes from 255 down to 0.
    """
    table = np.zeros((len(NUMBER), bins))
    for name, last in widest.items():
        table[NUMBER[name]] = np.linspace(0, last, bins)
    table[NUMBER["Posterize"]] = 8 - np.rint(table[NUMBER["Posterize"]])
    table[NUMBER["Solarize"]] = np.linspace(255, 0, bins)
    return table


def _widest(shear: float, pixels: float, degrees: float, blend: float, bits: float) -> dict[str, float]:
    geometry = {
        "ShearX": shear,
        "ShearY": shear,
        "TranslateX": pixels,
        "TranslateY": pixels,
        "Rotate": degrees,
    }
    return {**geometry, **dict.fromkeys(BLENDS, blend), "Posterize": bits}


NARROW = _widest(0.3, 150 / 331 * SIDE, 30, 0.9, 4)  # AutoAugment and RandAugment
WIDE = _widest(0.99, 32, 135, 0.99, 6)  # TrivialAugment

_IS_SIGNED = np.array([name in SIGNED for name in NUMBER])
_IS_BLEND = np.array([name in BLENDS for name in NUMBER])


def signed_values(operation: np.ndarray, magnitude: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Values for operations of these magnitudes, all three of one shape: a random sign where there is one,
    blends around 1.
    """
    negative = _IS_SIGNED[operation] & (rng.random(operation.shape) < 0.5)
    return np.where(negative, -magnitude, magnitude) + _IS_BLEND[operation]


class Policy:
    """A chain of operations for each image. Subclasses draw it."""

    def apply(self, images: np.ndarray, choice: Steps) -> np.ndarray:
        """Carry the steps out on uint8 images (N, 3, H, W)."""
        return choice.apply(images)


class ColourJitter(Policy):
    """Change brightness, contrast and saturation at random, in random order.

    Args:
        strength: largest change of each; factors lie between 1 - strength and 1 + strength.
    """

    def __init__(self, strength: float = 0.4) -> None:
        self.strength = strength

    def draw(self, chance: Chance) -> Steps:
        """Three steps with their factors for each image."""
        three = np.array([NUMBER[name] for name in ("Brightness", "Contrast", "Color")])
        operation = chance.rng.permuted(np.tile(three, (len(chance), 1)), axis=1)
        return Steps(operation, chance.rng.uniform(1 - self.strength, 1 + self.strength, operation.shape))


# Pairs of (operation, probability, bin of ten).
CIFAR10_POLICY: tuple[tuple[tuple[str, float, int], tuple[str, float, int]], ...] = (
    (("Invert", 0.1, 0), ("Contrast", 0.2, 6)),
    (("Rotate", 0.7, 2), ("TranslateX", 0.3, 9)),
    (("Sharpness", 0.8, 1), ("Sharpness", 0.9, 3)),
    (("ShearY", 0.5, 8), ("TranslateY", 0.7, 9)),
    (("AutoContrast", 0.5, 0), ("Equalize", 0.9, 0)),
    (("ShearY", 0.2, 7), ("Posterize", 0.3, 7)),
    (("Color", 0.4, 3), ("Brightness", 0.6, 7)),
    (("Sharpness", 0.3, 9), ("Brightness", 0.7, 9)),
    (("Equalize", 0.6, 0), ("Equalize", 0.5, 0)),
    (("Contrast", 0.6, 7), ("Sharpness", 0.6, 5)),
    (("Color", 0.7, 7), ("TranslateX", 0.5, 8)),
    (("Equalize", 0.3, 0), ("AutoContrast", 0.4, 0)),
    (("TranslateY", 0.4, 3), ("Sharpness", 0.2, 6)),
    (("Brightness", 0.9, 6), ("Color", 0.2, 8)),
    (("Solarize", 0.5, 2), ("Invert", 0.0, 0)),
    (("Equalize", 0.2, 0), ("AutoContrast", 0.6, 0)),
    (("Equalize", 0.2, 0), ("Equalize", 0.6, 0)),
    (("Color", 0.9, 9), ("Equalize", 0.6, 0)),
    (("AutoContrast", 0.8, 0), ("Solarize", 0.2, 8)),
    (("Brightness", 0.1, 3), ("Color", 0.7, 0)),
    (("Solarize", 0.4, 5), ("AutoContrast", 0.9, 0)),
    (("TranslateY", 0.9, 9), ("TranslateY", 0.7, 9)),
    (("AutoContrast", 0.9, 0), ("Solarize", 0.8, 3)),
    (("Equalize", 0.8, 0), ("Invert", 0.1, 0)),
    (("TranslateY", 0.7, 9), ("AutoContrast", 0.9, 0)),
)


class AutoAugment(Policy):
    """One of the 25 pairs of operations found on CIFAR-10 (Cubuk et al. 2018, arXiv:1805.09501)."""

    def __init__(self) -> None:
        table = magnitudes(10, NARROW)
        self.operation = np.array([[NUMBER[name] for name, _, _ in pair] for pair in CIFAR10_POLICY])
        self.probability = np.array([[probability for _, probability, _ in pair] for pair in CIFAR10_POLICY])
        self.magnitude = np.array(
            [[table[NUMBER[name], bin] for name, _, bin in pair] for pair in CIFAR10_POLICY]
        )

    def draw(self, chance: Chance) -> Steps:
        """A pair for each image; each half of it happens with its own probability."""
        pair = chance.rng.integers(len(CIFAR10_POLICY), size=len(chance))
        happens = chance.rng.random((len(chance), 2)) < self.probability[pair]
        operation = np.where(happens, self.operation[pair], NUMBER["Identity"])
        return Steps(operation, signed_values(operation, self.magnitude[pair], chance.rng))


class RandAugment(Policy):
    """Two operations of fourteen at one magnitude (Cubuk et al. 2019, arXiv:1909.13719).

    Args:
        magnitude: 0 to 30.
    """

    STEPS = 2

    def __init__(self, magnitude: int = 9) -> None:
        self.magnitude = magnitudes(31, NARROW)[:, magnitude]

    def draw(self, chance: Chance) -> Steps:
        """Two operations with random signs for each image."""
        operation = _drawn(SPACE, (len(chance), self.STEPS), chance.rng)
        return Steps(operation, signed_values(operation, self.magnitude[operation], chance.rng))


class TrivialAugment(Policy):
    """One operation of fourteen at a random magnitude (Müller and Hutter 2021, arXiv:2103.10158, "wide")."""

    BINS = 31

    def __init__(self) -> None:
        self.magnitude = magnitudes(self.BINS, WIDE)

    def draw(self, chance: Chance) -> Steps:
        """One operation with its magnitude and sign for each image."""
        operation = _drawn(SPACE, (len(chance), 1), chance.rng)
        magnitude = self.magnitude[operation, chance.rng.integers(self.BINS, size=operation.shape)]
        return Steps(operation, signed_values(operation, magnitude, chance.rng))


def _drawn(names: tuple[str, ...], shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    numbers = np.array([NUMBER[name] for name in names])
    return numbers[rng.integers(len(numbers), size=shape)]
