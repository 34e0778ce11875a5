"""Precision-recall and ROC curves, one class against the rest, and the areas under them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from paddle_cifar.optional import optional

CURVE_POINTS = 100  # points kept of a curve for drawing; areas are taken before
GRID = np.linspace(0, 1, 501)  # where the curves of the classes are averaged


@dataclass(frozen=True, eq=False)
class Curve:
    """A curve in the unit square, thinned for drawing, and the area under the whole of it."""

    x: np.ndarray
    y: np.ndarray
    area: float


@dataclass(frozen=True, eq=False)
class Curves:
    """Micro: every (image, class) pair is one decision. Macro: the mean of the classes' curves.

    ``classes`` holds None for a class without images, or with all of them.
    """

    micro: Curve
    macro: Curve
    classes: Sequence[Curve | None]

    @property
    def areas(self) -> np.ndarray:
        """(C,), NaN for a class that has no curve."""
        return np.array([np.nan if curve is None else curve.area for curve in self.classes])


def precision_recall(labels: np.ndarray, scores: np.ndarray) -> Curves:
    """Precision (y) over recall (x). Areas are average precision, the sum of (R_n - R_n-1) P_n.

    Args:
        labels: (N,) integers below C.
        scores: (N, C), higher for a likelier class.
    """
    metrics = optional("sklearn.metrics", "scikit-learn")

    def one(truth: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        precision, recall, _ = metrics.precision_recall_curve(truth, score)
        # scikit-learn begins at recall 1; here every curve begins at x = 0.
        return recall[::-1], precision[::-1], float(metrics.average_precision_score(truth, score))

    def at_grid(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        # Average precision is the area under steps: the precision at the next recall that is reached.
        return y[np.minimum(np.searchsorted(x, GRID), len(y) - 1)]

    return _curves(labels, scores, one, at_grid)


def roc(labels: np.ndarray, scores: np.ndarray) -> Curves:
    """True-positive rate (y) over false-positive rate (x); arguments as for ``precision_recall``."""
    metrics = optional("sklearn.metrics", "scikit-learn")

    def one(truth: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        x, y, _ = metrics.roc_curve(truth, score)
        return x, y, float(metrics.auc(x, y))

    return _curves(labels, scores, one, lambda x, y: np.interp(GRID, x, y))


def _curves(
    labels: np.ndarray,
    scores: np.ndarray,
    one: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, float]],
    at_grid: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> Curves:
    truth = labels[:, None] == np.arange(scores.shape[1])
    classes: list[Curve | None] = []
    on_grid = []
    for index in range(scores.shape[1]):
        if truth[:, index].all() or not truth[:, index].any():
            classes.append(None)
            continue
        x, y, area = one(truth[:, index], scores[:, index])
        on_grid.append(at_grid(x, y))
        classes.append(_thin(x, y, area))
    micro = _thin(*one(truth.ravel(), scores.ravel()), points=4 * CURVE_POINTS)
    areas = [curve.area for curve in classes if curve is not None]
    nowhere = (np.full_like(GRID, np.nan), np.nan)
    mean, area = (np.mean(on_grid, axis=0), float(np.mean(areas))) if areas else nowhere
    return Curves(micro, Curve(GRID, mean, area), classes)


def _thin(x: np.ndarray, y: np.ndarray, area: float, points: int = CURVE_POINTS) -> Curve:
    """Keep points evenly along the curve's length, and both ends."""
    length = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    kept = np.unique(np.searchsorted(length, np.linspace(0, length[-1], points)).clip(0, len(x) - 1))
    return Curve(x[kept], y[kept], area)
