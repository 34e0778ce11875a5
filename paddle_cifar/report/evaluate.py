"""``evaluate_predictions``: every measure of the report, from two arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from paddle_cifar.data.labels import COARSE_NAMES, FINE_NAMES, FINE_TO_COARSE
from paddle_cifar.errors import RunError
from paddle_cifar.optional import optional
from paddle_cifar.report.areas import Curves, precision_recall, roc
from paddle_cifar.report.calibration import Reliability, reliability


@dataclass(frozen=True, eq=False)
class Level:
    """The measures of one set of C classes: the classes themselves, or the superclasses.

    Of N images: ``labels`` and ``predicted`` (N,), ``probabilities`` (N, C). ``confusion`` (C, C)
    counts images, true class by row, prediction by column. Per class, (C,): ``support`` (images),
    ``precision``, ``recall``, ``f1`` (0 where nothing was predicted), ``pr.areas``, ``roc.areas``.
    """

    names: Sequence[str]
    labels: np.ndarray
    predicted: np.ndarray
    probabilities: np.ndarray
    confusion: np.ndarray
    support: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    pr: Curves
    roc: Curves
    scores: dict[str, float]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What ``evaluate_predictions`` found. ``losses``: cross-entropy of each image in nats, (N,)."""

    fine: Level
    coarse: Level | None
    losses: np.ndarray
    reliability: Reliability

    @property
    def scores(self) -> dict[str, float]:
        """All single figures: fractions from 0 to 1, ``loss`` in nats; those of superclasses as coarse_*."""
        coarse = {} if self.coarse is None else self.coarse.scores
        return {
            **self.fine.scores,
            "ece": self.reliability.ece,
            "loss": float(self.losses.mean()),
            **{f"coarse_{name}": value for name, value in coarse.items()},
        }


def evaluate_predictions(
    logits: np.ndarray,
    labels: np.ndarray,
    names: Sequence[str] | None = None,
    fine_to_coarse: Sequence[int] | None = None,
    coarse_names: Sequence[str] = COARSE_NAMES,
) -> Evaluation:
    """Measure predictions against the truth.

    * top-1 and top-5 error, accuracy; mean cross-entropy of the softmax.
    * mAP: the mean over classes of average precision, images ranked by the class's probability.
    * macro F1: the unweighted mean over classes. Means are over classes that have images.
    * ece: expected calibration error, 15 bins of equal width (``calibration.py``).
    * superclasses: the prediction is the superclass of the predicted class, as in training;
      the probability, for the curves, the sum over the superclass's classes.

    Args:
        logits: (N, C), finite; any float type.
        labels: (N,) integers from 0 to C - 1.
        names: of the classes (default: CIFAR-100's where C is 100, else their numbers).
        fine_to_coarse: superclass of each class, (C,) (default: CIFAR-100's where C is 100, else none).
        coarse_names: of the superclasses.

    Raises:
        RunError: for arrays that do not fit each other, or values that are not finite.
    """
    logits, labels = _checked(logits, labels)
    classes = logits.shape[1]
    if classes == len(FINE_NAMES):
        names, fine_to_coarse = (
            names or FINE_NAMES,
            FINE_TO_COARSE if fine_to_coarse is None else fine_to_coarse,
        )
    names = names or [str(index) for index in range(classes)]
    if len(names) != classes:
        raise RunError(f"{len(names)} class names for logits of {classes} classes")

    shifted = logits - logits.max(axis=1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    probabilities = np.exp(log_probabilities)
    predicted = logits.argmax(axis=1)
    coarse = None
    if fine_to_coarse is not None:
        parent = np.asarray(fine_to_coarse, np.int64)
        summed = probabilities @ (parent[:, None] == np.arange(len(coarse_names)))
        coarse = _level(coarse_names, parent[labels], parent[predicted], summed)
    return Evaluation(
        fine=_level(names, labels, predicted, probabilities),
        coarse=coarse,
        losses=-log_probabilities[np.arange(len(labels)), labels],
        reliability=reliability(probabilities.max(axis=1), predicted == labels),
    )


def _level(
    names: Sequence[str], labels: np.ndarray, predicted: np.ndarray, probabilities: np.ndarray
) -> Level:
    metrics = optional("sklearn.metrics", "scikit-learn")
    every = np.arange(len(names))
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        labels, predicted, labels=every, zero_division=0
    )
    pr, roc_curves = precision_recall(labels, probabilities), roc(labels, probabilities)
    accuracy = float(metrics.accuracy_score(labels, predicted))
    top5 = 1.0
    if len(names) > 5:
        top5 = float(metrics.top_k_accuracy_score(labels, probabilities, k=5, labels=every))
    scores = {
        "accuracy": accuracy,
        "top1_error": 1 - accuracy,
        "top5_error": 1 - top5,
        "mAP": pr.macro.area,
        "macro_f1": float(f1[support > 0].mean()),
        "micro_ap": pr.micro.area,
        "macro_auc": roc_curves.macro.area,
        "micro_auc": roc_curves.micro.area,
    }
    return Level(
        names=names,
        labels=labels,
        predicted=predicted,
        probabilities=probabilities,
        confusion=metrics.confusion_matrix(labels, predicted, labels=every),
        support=support,
        precision=precision,
        recall=recall,
        f1=f1,
        pr=pr,
        roc=roc_curves,
        scores=scores,
    )


def _checked(logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    logits, labels = np.asarray(logits, np.float64), np.asarray(labels)
    if logits.ndim != 2 or labels.ndim != 1 or len(logits) != len(labels) or logits.size == 0:
        raise RunError(f"logits must be (N, C) and labels (N,); got {logits.shape} and {labels.shape}")
    if not np.issubdtype(labels.dtype, np.integer):
        raise RunError(f"labels must be integers, not {labels.dtype}")
    classes = logits.shape[1]
    if classes < 2:
        raise RunError("logits have one class only; at least two are needed")
    if labels.min() < 0 or labels.max() >= classes:
        raise RunError(
            f"labels go from {labels.min()} to {labels.max()}, but the logits have {classes} classes; "
            "were these logits made by a network for another data set?"
        )
    bad = ~np.isfinite(logits).all(axis=1)
    if bad.any():
        raise RunError(
            f"the logits of {bad.sum():,} of {len(bad):,} images are not finite (first: image "
            f"{bad.argmax()}); the training has diverged, lower --lr"
        )
    return logits, labels.astype(np.int64)
