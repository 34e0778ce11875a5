"""Training losses."""

from __future__ import annotations

import paddle
import paddle.nn.functional as F


class CrossEntropy(paddle.nn.Layer):
    """Mean cross-entropy of logits (N, C) against integer labels (N,) or soft labels (N, C).

    Paddle's own ``CrossEntropyLoss(soft_label=True)`` refuses integer labels,
    which evaluation has even where training mixes labels. Logits are taken to
    float32 first: under mixed precision they arrive as float16 or bfloat16.

    Args:
        label_smoothing: share of the target spread evenly over all classes
            (Szegedy et al. 2015, arXiv:1512.00567), 0 to below 1.
    """

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing

    def forward(self, logits: paddle.Tensor, label: paddle.Tensor) -> paddle.Tensor:
        """The mean loss, a scalar."""
        logits = logits.astype("float32")
        loss = F.cross_entropy(logits, label, soft_label=label.ndim == logits.ndim)
        if self.label_smoothing:
            against_uniform = -F.log_softmax(logits).mean()
            loss = (1 - self.label_smoothing) * loss + self.label_smoothing * against_uniform
        return loss
