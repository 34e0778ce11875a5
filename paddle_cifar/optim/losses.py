"""Training losses, of logits (N, C) against integer labels (N,) or soft labels (N, C)."""

from __future__ import annotations

import paddle
import paddle.nn.functional as F

from paddle_cifar.errors import unknown_name


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
        """The mean loss over the images, a scalar, in nats."""
        logits = logits.astype("float32")
        loss = F.cross_entropy(logits, label, soft_label=label.ndim == logits.ndim)
        if self.label_smoothing:
            against_uniform = -F.log_softmax(logits).mean()
            loss = (1 - self.label_smoothing) * loss + self.label_smoothing * against_uniform
        return loss


class Focal(paddle.nn.Layer):
    """Cross-entropy with each class's term weighted by (1 - p) to the ``gamma``: what is certain counts less.

    Lin et al. 2017, arXiv:1708.02002, for many classes; cross-entropy where gamma is 0.

    Args:
        gamma: 0 or more, 2 in the paper.
        label_smoothing: as in :class:`CrossEntropy`.
    """

    def __init__(self, gamma: float = 2.0, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.gamma, self.label_smoothing = gamma, label_smoothing

    def forward(self, logits: paddle.Tensor, label: paddle.Tensor) -> paddle.Tensor:
        """The mean loss over the images, a scalar, in nats."""
        logits = logits.astype("float32")
        classes = logits.shape[-1]
        target = label if label.ndim == logits.ndim else F.one_hot(label, classes)
        if self.label_smoothing:
            target = (1 - self.label_smoothing) * target + self.label_smoothing / classes
        logarithms = F.log_softmax(logits)
        # Not below 0, where rounding may take it: a power's slope there is NaN.
        uncertain = (1 - logarithms.exp()).clip(min=1e-7)
        return -(target * uncertain**self.gamma * logarithms).sum(-1).mean()


LOSSES = ("cross_entropy", "focal")


def build_loss(name: str, label_smoothing: float = 0.0, focal_gamma: float = 2.0) -> paddle.nn.Layer:
    """The named loss; UsageError for an unknown name."""
    if name not in LOSSES:
        raise unknown_name("loss", name, LOSSES)
    return Focal(focal_gamma, label_smoothing) if name == "focal" else CrossEntropy(label_smoothing)
