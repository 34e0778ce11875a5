"""Metrics for ``paddle.Model.prepare``, all means over every sample seen, not over batches.

``paddle.Model.evaluate`` reports the last batch's loss under the name ``loss``;
``MeanLoss`` gives the mean over the whole set instead. Training and evaluation
use the same plain cross-entropy, without label smoothing, so that the two
curves can be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle.metric import Accuracy, Metric

from paddle_cifar.data.labels import FINE_TO_COARSE


class SampleMean(Metric):
    """The mean of one number per sample; subclasses compute that number."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self.reset()

    def reset(self) -> None:
        """Forget all samples."""
        self.total, self.count = 0.0, 0

    def update(self, values: np.ndarray) -> float:
        """Add the values (N,) of a batch; returns the batch's own mean."""
        values = np.asarray(values, np.float64)
        self.total += float(values.sum())
        self.count += values.size
        return float(values.mean())

    def accumulate(self) -> float:
        """The mean over all samples since the last reset (0 when there are none)."""
        return self.total / max(1, self.count)

    def name(self) -> str:
        """The key in Paddle's logs."""
        return self._name


class MeanLoss(SampleMean):
    """Mean cross-entropy of logits (N, C) against integer (N,) or soft (N, C) labels."""

    def __init__(self) -> None:
        super().__init__("mean_loss")

    def compute(self, logits: paddle.Tensor, label: paddle.Tensor) -> paddle.Tensor:
        """Cross-entropy of each sample, (N,)."""
        soft = label.ndim == logits.ndim
        losses = F.cross_entropy(logits.astype("float32"), label, soft_label=soft, reduction="none")
        return losses.reshape([-1])


class SuperclassAccuracy(SampleMean):
    """Share of samples whose predicted class lies in the true class's superclass."""

    def __init__(self) -> None:
        super().__init__("acc_coarse")
        self.fine_to_coarse = paddle.to_tensor(np.asarray(FINE_TO_COARSE, np.int64))

    def compute(self, logits: paddle.Tensor, label: paddle.Tensor) -> paddle.Tensor:
        """1 for each sample in the right superclass, else 0, (N,)."""
        if label.ndim == logits.ndim:
            label = label.argmax(axis=-1)
        predicted = paddle.gather(self.fine_to_coarse, logits.argmax(axis=-1))
        return (predicted == paddle.gather(self.fine_to_coarse, label)).astype("float32")


def build_metrics() -> list[Metric]:
    """Top-1, top-5 and superclass accuracy and the mean loss, as fractions and nats.

    Their names in Paddle's logs: acc_top1, acc_top5, acc_coarse, mean_loss.
    """
    return [Accuracy(topk=(1, 5)), SuperclassAccuracy(), MeanLoss()]


def metric_states(metrics: list[Metric]) -> list[tuple[Any, Any]]:
    """What each metric of :func:`build_metrics` has counted so far, as JSON values."""
    return [(np.asarray(metric.total).tolist(), np.asarray(metric.count).tolist()) for metric in metrics]


def restore_metrics(metrics: list[Metric], states: list[tuple[Any, Any]]) -> None:
    """Let metrics go on counting from :func:`metric_states`."""
    for metric, (total, count) in zip(metrics, states, strict=True):
        metric.total, metric.count = total, count


def figures(metrics: Sequence[paddle.metric.Metric]) -> dict[str, float]:
    """What the metrics have come to so far, by name."""
    found: dict[str, float] = {}
    for metric in metrics:
        names, values = np.ravel(metric.name()), np.ravel(metric.accumulate())
        found.update(zip(names.tolist(), values.tolist(), strict=True))
    return found
