"""From ``--augment`` to augmentations."""

from __future__ import annotations

from collections.abc import Callable

from paddle_cifar.data.augment.augmix import AugMix
from paddle_cifar.data.augment.base import Augmentation
from paddle_cifar.data.augment.erasing import Cutout, GridMask, RandomErasing
from paddle_cifar.data.augment.geometry import AlternatingFlip, RandomCrop, RandomFlip, RandomRotation
from paddle_cifar.data.augment.mixing import CutMix, Mixing, MixUp
from paddle_cifar.data.augment.policies import AutoAugment, ColourJitter, RandAugment, TrivialAugment
from paddle_cifar.data.names import AUGMENTATIONS, parse_augmentations

# Each is called with its strength, or without where there is none (`data/names.py`).
PER_IMAGE: dict[str, Callable[..., Augmentation]] = {
    "crop": RandomCrop,
    "flip": RandomFlip,
    "alternating_flip": AlternatingFlip,
    "rotation": RandomRotation,
    "jitter": ColourJitter,
    "erasing": RandomErasing,
    "cutout": Cutout,
    "gridmask": GridMask,
    "autoaugment": AutoAugment,
    "randaugment": RandAugment,
    "trivialaugment": TrivialAugment,
    "augmix": AugMix,
}
MIXING: dict[str, Callable[..., Mixing]] = {"mixup": MixUp, "cutmix": CutMix}


def build_augmentations(text: str) -> list[Augmentation]:
    """The augmentations of single images in a list such as ``crop:2,flip``, in its order.

    ``none`` and an empty list give none. Those that mix images are left to :func:`build_mixing`.

    Raises:
        UsageError: for an unknown name or an impossible strength.
    """
    return [_build(PER_IMAGE, *part) for part in parse_augmentations(text) if part[0] in PER_IMAGE]


def build_mixing(text: str) -> list[Mixing]:
    """Those that mix images and labels in a list such as ``crop,mixup:0.2,cutmix``."""
    return [_build(MIXING, *part) for part in parse_augmentations(text) if part[0] in MIXING]


def _build(makers: dict[str, Callable], name: str, strength: float | None) -> Augmentation | Mixing:
    if strength is None:
        return makers[name]()
    return makers[name](int(strength) if AUGMENTATIONS[name].whole else strength)
