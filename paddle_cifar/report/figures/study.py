"""The chart of a study."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from paddle_cifar.report.figures.style import BLUE, INK, ORANGE, percent, styled

if TYPE_CHECKING:
    from paddle_cifar.ablation.table import Summary


@styled
def study_figure(summaries: Sequence[Summary], title: str) -> Figure:
    """Accuracy of every configuration as a bar, its spread over seeds, and what was published as a mark."""
    figure = Figure(figsize=(9, 0.42 * len(summaries) + 1.4))
    axes = figure.add_subplot()
    places = np.arange(len(summaries))
    for place, one in zip(places, summaries, strict=True):
        if "accuracy" in one.mean:
            value, spread = one.mean["accuracy"], one.spread.get("accuracy", 0.0)
            label = "here" if "here" not in axes.get_legend_handles_labels()[1] else None
            axes.barh(place, value, 0.6, xerr=spread or None, color=BLUE, ecolor=INK, label=label)
            axes.annotate(
                f"{100 * value:.2f} %",
                (value + spread, place),
                (5, 0),
                textcoords="offset points",
                va="center",
                color=INK,
                fontsize=9,
            )
    known = [(one.row.published["accuracy"], place) for place, one in zip(places, summaries, strict=True)
             if "accuracy" in one.row.published]  # fmt: skip
    if known:
        axes.scatter(
            *zip(*known, strict=True), marker="D", color=ORANGE, zorder=3, label="published, 200 epochs"
        )
    axes.set_yticks(places, [one.row.label for one in summaries])
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.margins(x=0.12)
    axes.xaxis.set_major_formatter(percent())
    axes.set(title=title, xlabel="top-1 accuracy")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure
