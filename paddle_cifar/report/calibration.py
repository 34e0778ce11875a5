"""Does the network know how sure it may be? Reliability and expected calibration error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paddle_cifar.optional import optional

BINS = 15


@dataclass(frozen=True, eq=False)
class Reliability:
    """Images grouped by confidence, the largest probability, into BINS bins of equal width.

    A bin holds confidences above its lower edge up to and including its upper edge.
    ``confidence`` and ``accuracy`` are means over the bin, NaN where it is empty, (BINS,);
    ``counts`` the images in it, (BINS,).

    ``ece`` is the mean of abs(accuracy - confidence) over bins, weighted by images:
    Guo et al., On Calibration of Modern Neural Networks, 2017.
    """

    confidence: np.ndarray
    accuracy: np.ndarray
    counts: np.ndarray
    ece: float

    @property
    def mean_confidence(self) -> float:
        """Over all images."""
        return float(np.nansum(self.confidence * self.counts) / self.counts.sum())

    @property
    def mean_accuracy(self) -> float:
        """Over all images."""
        return float(np.nansum(self.accuracy * self.counts) / self.counts.sum())


def reliability(confidence: np.ndarray, correct: np.ndarray) -> Reliability:
    """Group confidences (N,), from 0 to 1, and compare them with ``correct`` (N,), booleans."""
    calibration = optional("sklearn.calibration", "scikit-learn")
    confidence = np.clip(confidence, 0, 1)  # a softmax may sum to 1 + 1e-16
    accuracy_used, confidence_used = calibration.calibration_curve(
        correct.astype(int), confidence, n_bins=BINS, strategy="uniform"
    )
    # The same edges and side as scikit-learn, which leaves out empty bins and does not tell the counts.
    edges = np.linspace(0, 1, BINS + 1)
    counts = np.bincount(np.searchsorted(edges[1:-1], confidence), minlength=BINS)
    means = np.full((2, BINS), np.nan)
    means[:, counts > 0] = confidence_used, accuracy_used
    ece = float(np.sum(np.abs(accuracy_used - confidence_used) * counts[counts > 0]) / counts.sum())
    return Reliability(means[0], means[1], counts, ece)
