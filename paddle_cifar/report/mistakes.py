"""Which mistakes to look at: pairs of classes that are mixed up, and images that are missed by far."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from paddle_cifar.report.evaluate import Evaluation, Level


class Pair(NamedTuple):
    """Images of class ``true`` that were taken for ``predicted``."""

    true: int
    predicted: int
    count: int
    images: np.ndarray
    """Indices of the images, the most confident mistake first, (count,)."""


def most_confused(level: Level, pairs: int) -> list[Pair]:
    """The pairs (true class, prediction) with the most images, most first; equal ones in class order."""
    errors = level.confusion.copy()
    np.fill_diagonal(errors, 0)
    order = np.argsort(-errors, axis=None, kind="stable")[:pairs]
    found = []
    for true, predicted in zip(*np.unravel_index(order, errors.shape), strict=True):
        if not errors[true, predicted]:
            break
        images = np.flatnonzero((level.labels == true) & (level.predicted == predicted))
        by_confidence = images[np.argsort(-level.probabilities[images, predicted], kind="stable")]
        found.append(Pair(int(true), int(predicted), len(images), by_confidence))
    return found


def highest_loss(evaluation: Evaluation, images: int) -> np.ndarray:
    """Indices (``images``,) of the images with the highest cross-entropy, highest first."""
    return np.argsort(-evaluation.losses, kind="stable")[:images]


def errors_within_superclass(evaluation: Evaluation) -> float:
    """Share of the wrong predictions whose superclass is right; NaN without errors or superclasses."""
    fine, coarse = evaluation.fine, evaluation.coarse
    wrong = fine.labels != fine.predicted
    if coarse is None or not wrong.any():
        return float("nan")
    return float((coarse.labels == coarse.predicted)[wrong].mean())
