"""AugMix: the image blended with three differently altered copies of itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paddle_cifar.data.augment.base import Chance
from paddle_cifar.data.augment.operations import NUMBER, Steps
from paddle_cifar.data.augment.policies import SIDE, signed_values

# Without the colour operations, which the paper leaves out because its test corruptions resemble them.
OPERATIONS = (
    *("AutoContrast", "Equalize", "Posterize", "Rotate", "Solarize"),
    *("ShearX", "ShearY", "TranslateX", "TranslateY"),
)
NUMBERS = np.array([NUMBER[name] for name in OPERATIONS])


@dataclass(frozen=True, eq=False)
class Blend:
    """The chains' steps, chain after chain, (3 * N, 3); the weights (4, N) of the image and its chains."""

    chains: Steps
    weights: np.ndarray


class AugMix:
    """Blend each image with three chains of one to three operations.

    Hendrycks et al. 2019, arXiv:1912.02781. Only the mixing: the paper's loss that
    compares two such views is not part of it. Interpolation is by nearest
    neighbours, where the paper's is bilinear.

    Args:
        severity: 1 to 10, the largest level of an operation.
    """

    WIDTH, DEPTH = 3, 3

    def __init__(self, severity: float = 3) -> None:
        self.severity = severity

    def draw(self, chance: Chance) -> Blend:
        """Operations, levels and weights; the weights of an image sum to 1."""
        rng, count = chance.rng, len(chance)
        shape = (self.WIDTH * count, self.DEPTH)
        operation = NUMBERS[rng.integers(len(NUMBERS), size=shape)]
        level = rng.uniform(0.1, self.severity, shape) / 10
        value = signed_values(operation, _magnitudes(operation, level), rng)
        depth = rng.integers(1, self.DEPTH + 1, (len(operation), 1))
        operation = np.where(np.arange(self.DEPTH) < depth, operation, NUMBER["Identity"])
        share = rng.beta(1, 1, count)
        of_chains = rng.dirichlet(np.ones(self.WIDTH), count).T
        return Blend(Steps(operation, value), np.concatenate(((1 - share)[None], share * of_chains)))

    def apply(self, images: np.ndarray, choice: Blend) -> np.ndarray:
        """Alter the copies and blend them with uint8 images (N, 3, H, W)."""
        weights = choice.weights.astype(np.float32)[..., None, None, None]
        copies = choice.chains.apply(np.concatenate([images] * self.WIDTH))
        blended = images * weights[0]
        for copy, weight in zip(np.split(copies, self.WIDTH), weights[1:], strict=True):
            blended += copy * weight
        return np.rint(blended).astype(np.uint8)


def _magnitudes(operation: np.ndarray, level: np.ndarray) -> np.ndarray:
    """The paper's magnitude of each operation at its level, 0 to 1."""
    of_each = {
        "Posterize": 4 - np.floor(4 * level),
        "Rotate": np.floor(30 * level),
        "Solarize": 256 - np.floor(256 * level),
        **dict.fromkeys(("ShearX", "ShearY"), 0.3 * level),
        **dict.fromkeys(("TranslateX", "TranslateY"), np.floor(SIDE / 3 * level)),
    }
    magnitude = np.zeros_like(level)
    for name, values in of_each.items():
        magnitude = np.where(operation == NUMBER[name], values, magnitude)
    return magnitude
