"""The augmentations that ``--augment`` composes, with their strengths. Needs no numpy."""

from __future__ import annotations

import math
from dataclasses import dataclass

from paddle_cifar.errors import UsageError, unknown_name


@dataclass(frozen=True)
class Strength:
    """The number that may follow a name, as in ``crop:2``: its default, its range and what it means."""

    default: float
    lowest: float
    highest: float
    meaning: str
    whole: bool = False


PER_IMAGE: dict[str, Strength | None] = {
    "crop": Strength(4, 0, 16, "pixels of padding", whole=True),
    "flip": None,
    "alternating_flip": None,
    "rotation": Strength(15, 0, 180, "degrees either way"),
    "jitter": Strength(0.4, 0, 1, "largest change of brightness, contrast and saturation"),
    "erasing": Strength(0.5, 0, 1, "probability"),
    "cutout": Strength(16, 1, 32, "side of the square in pixels", whole=True),
    "gridmask": Strength(0.8, 0, 1, "probability"),
    "autoaugment": None,
    "randaugment": Strength(9, 0, 30, "magnitude", whole=True),
    "trivialaugment": None,
    "augmix": Strength(3, 1, 10, "severity"),
}
# They combine whole batches and their labels, and come after the others wherever they are named.
MIXING: dict[str, Strength | None] = {
    "mixup": Strength(0.2, 0.01, 10, "both parameters of the beta distribution"),
    "cutmix": Strength(1.0, 0.01, 10, "both parameters of the beta distribution"),
}
AUGMENTATIONS: dict[str, Strength | None] = {**PER_IMAGE, **MIXING}


def parse_augmentations(text: str) -> list[tuple[str, float | None]]:
    """Names and strengths in a list such as ``crop:2,flip,erasing:0.25``; ``none`` and "" have none.

    A strength that is not given is the default, None for a name that takes none.

    Raises:
        UsageError: for an unknown name, with the nearest ones, or a strength out of range.
    """
    parts = [part.strip() for part in text.split(",")]
    return [_parse(part) for part in parts if part not in ("", "none")]


def _parse(part: str) -> tuple[str, float | None]:
    name, colon, number = (piece.strip() for piece in part.partition(":"))
    if name not in AUGMENTATIONS:
        raise unknown_name("augmentation", name, AUGMENTATIONS)
    strength = AUGMENTATIONS[name]
    if strength is None:
        if colon:
            raise UsageError(f"--augment {part}: {name} takes no number")
        return name, None
    if not colon:
        return name, strength.default
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    fits = strength.lowest <= value <= strength.highest and (not strength.whole or value.is_integer())
    if not fits:  # nan too: it compares as false
        kind = "a whole number" if strength.whole else "a number"
        raise UsageError(
            f"--augment {part}: {strength.meaning} must be {kind} "
            f"from {strength.lowest:g} to {strength.highest:g}"
        )
    return name, value
