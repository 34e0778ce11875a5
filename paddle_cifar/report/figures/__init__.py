"""The figures of the report, each a function from measures to a ``matplotlib.figure.Figure``."""

from __future__ import annotations

from paddle_cifar.optional import optional

optional("matplotlib", "matplotlib")

from paddle_cifar.report.figures.areas import precision_recall_figure, roc_figure  # noqa: E402
from paddle_cifar.report.figures.calibration import reliability_figure  # noqa: E402
from paddle_cifar.report.figures.confusion import coarse_confusion_figure, fine_confusion_figure  # noqa: E402
from paddle_cifar.report.figures.pictures import confused_figure, missed_figure  # noqa: E402
from paddle_cifar.report.figures.rates import range_test_figure  # noqa: E402
from paddle_cifar.report.figures.runs import overlaid_curves_figure, scores_figure  # noqa: E402
from paddle_cifar.report.figures.study import study_figure  # noqa: E402
from paddle_cifar.report.figures.training import (  # noqa: E402
    accuracy_figure,
    loss_figure,
    other_accuracies_figure,
    rate_figure,
)

__all__ = [
    "accuracy_figure",
    "coarse_confusion_figure",
    "confused_figure",
    "fine_confusion_figure",
    "loss_figure",
    "missed_figure",
    "other_accuracies_figure",
    "overlaid_curves_figure",
    "precision_recall_figure",
    "range_test_figure",
    "rate_figure",
    "reliability_figure",
    "roc_figure",
    "scores_figure",
    "study_figure",
]
