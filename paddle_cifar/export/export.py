"""``python main.py export``: a trained network for servers, checked before it is kept."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from paddle_cifar.cores import available_cores
from paddle_cifar.data.labels import FINE_NAMES
from paddle_cifar.errors import RunError, unknown_name
from paddle_cifar.export.serving import PROGRAMS, WRITERS, logits_of
from paddle_cifar.prediction.classifier import Classifier

TOLERANCE = 1e-4


class Exported(NamedTuple):
    """The files written, and by how much their logits differ from the network's own, at most."""

    files: list[Path]
    difference: float


def export(classifier: Classifier, format: str, to: Path) -> Exported:
    """Write the network and labels.txt (a class a line, in the order of the logits) to the folder ``to``.

    Args:
        classifier: in float32, without test-time augmentation.
        format: a key of WRITERS.
        to: made if it is missing; files in it that have the same names are replaced.

    Raises:
        UsageError: for an unknown format.
        RunError: when a package is missing, the folder cannot be written, or the check fails; then
            nothing is kept.
    """
    if format not in WRITERS:
        raise unknown_name("format", format, WRITERS)
    try:
        to.mkdir(parents=True, exist_ok=True)
        # In the same folder, so that the finished files only need to be renamed.
        with tempfile.TemporaryDirectory(dir=to, prefix=".export-") as made_in:
            files = WRITERS[format](classifier.network, Path(made_in))
            difference = disagreement(classifier, format, Path(made_in))
            labels = Path(made_in) / "labels.txt"
            labels.write_text("\n".join(FINE_NAMES) + "\n", encoding="utf-8")
            return Exported(_keep([*files, labels], to), difference)
    except OSError as error:
        raise RunError(f"cannot write to {to} ({error.strerror}); choose another --to") from error


def disagreement(classifier: Classifier, format: str, folder: Path, batches: Sequence[int] = (1, 7)) -> float:
    """The largest difference of logits between the files in ``folder`` and the network, for images of noise.

    Raises:
        RunError: when it is more than 1e-4 (of the largest logit, where that is above 1).
    """
    chance = np.random.default_rng(0)
    noise = [chance.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8) for count in batches]
    worst = 0.0
    for images, theirs in zip(noise, logits_of(format, folder, noise, available_cores()), strict=True):
        own = classifier.logits(images)
        difference = float(np.abs(own - theirs).max()) if own.shape == theirs.shape else np.inf
        if not difference <= TOLERANCE * max(1.0, float(np.abs(own).max())):  # also when it is not a number
            raise RunError(
                f"the {format} model's logits differ from the network's by {difference:.1e}; not kept"
            )
        worst = max(worst, difference)
    return worst


def _keep(files: Sequence[Path], folder: Path) -> list[Path]:
    """Move the files into the folder. Whatever happens, those of two exports never stand there together."""
    kept = [folder / file.name for file in files]
    if any(file.name in PROGRAMS for file in files):  # the other Paddle's would find these weights beside it
        for program in PROGRAMS:
            (folder / program).unlink(missing_ok=True)
    for path in kept:
        path.unlink(missing_ok=True)
    try:
        for file, path in zip(files, kept, strict=True):
            os.replace(file, path)
    except BaseException:
        for path in kept:
            path.unlink(missing_ok=True)
        raise
    return kept
