"""Training augmentations on whole batches, composed by name.

Each one keeps the random choice (``draw``) apart from its effect (``apply``), so
that the effect can be tested without chance.
"""

from paddle_cifar.data.augment.base import Augmentation, Chance, augment
from paddle_cifar.data.augment.build import MIXING, PER_IMAGE, build_augmentations, build_mixing
from paddle_cifar.data.augment.mixing import Mixed, Mixing, mix

__all__ = [
    "MIXING",
    "PER_IMAGE",
    "Augmentation",
    "Chance",
    "Mixed",
    "Mixing",
    "augment",
    "build_augmentations",
    "build_mixing",
    "mix",
]
