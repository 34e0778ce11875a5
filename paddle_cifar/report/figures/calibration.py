"""The reliability diagram."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from paddle_cifar.report.calibration import BINS, Reliability
from paddle_cifar.report.figures.style import BLUE, GREY, INK, ORANGE, percent, styled
from paddle_cifar.report.text import Text


@styled
def reliability_figure(reliability: Reliability, text: Text) -> Figure:
    """Accuracy over confidence, with the gap to the diagonal, above the histogram of confidences."""
    figure = Figure(figsize=(5.6, 5.2))
    upper, lower = figure.subplots(2, 1, height_ratios=(3, 1), sharex=True)
    edges = np.linspace(0, 1, BINS + 1)
    middle, width = (edges[:-1] + edges[1:]) / 2, 1 / BINS
    used = reliability.counts > 0
    accuracy, confidence = reliability.accuracy[used], reliability.confidence[used]
    upper.bar(middle[used], accuracy, width * 0.92, color=BLUE, label=text("accuracy"))
    upper.bar(
        middle[used],
        confidence - accuracy,
        width * 0.92,
        bottom=accuracy,
        color="none",
        edgecolor=ORANGE,
        hatch="////",
        linewidth=0.8,
        label=text("gap"),
    )
    upper.plot([0, 1], [0, 1], color=INK, linestyle="--", linewidth=1, label=text("perfectly_calibrated"))
    surplus = 100 * (reliability.mean_confidence - reliability.mean_accuracy)
    key = "calibrated_title" if abs(surplus) < 1 else "over_title" if surplus > 0 else "under_title"
    upper.set(
        title=text(
            key,
            confidence=100 * reliability.mean_confidence,
            accuracy=100 * reliability.mean_accuracy,
            ece=100 * reliability.ece,
        ),
        ylabel=text("accuracy"),
        xlim=(0, 1),
        ylim=(0, 1),
    )
    upper.legend(loc="upper left")
    lower.bar(middle, reliability.counts / reliability.counts.sum(), width * 0.92, color=GREY)
    lower.set(xlabel=text("confidence_axis"), ylabel=text("share_of_images"))
    for axis in (upper.xaxis, upper.yaxis, lower.yaxis):
        axis.set_major_formatter(percent())
    return figure
