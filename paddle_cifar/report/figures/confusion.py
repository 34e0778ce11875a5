"""Confusion matrices: rows are true classes, columns predictions, cells shares of the row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from paddle_cifar.report.evaluate import Evaluation, Level
from paddle_cifar.report.figures.style import GREY, HEAT, INK, name_plot_area, styled
from paddle_cifar.report.mistakes import errors_within_superclass, most_confused
from paddle_cifar.report.text import Text


@styled
def coarse_confusion_figure(level: Level, text: Text) -> Figure:
    """The superclasses, with percentages written into the cells (from half a percent on)."""
    figure = Figure(figsize=(9.6, 8.6))
    axes = figure.add_subplot()
    shares = row_shares(level.confusion)
    _heat(axes, shares, text)
    name_plot_area(axes, "coarse")
    for (row, column), share in np.ndenumerate(shares):
        if share >= 0.005:
            colour = "white" if share > 0.4 else INK
            size = 7.5 if row != column else 8.5
            axes.text(
                column, row, f"{100 * share:.0f}", ha="center", va="center", color=colour, fontsize=size
            )
    _ticks(axes, np.arange(len(level.names)), [text.name(name) for name in level.names], text)
    worst = most_confused(level, 1)
    title = text("confusion_none")
    if worst:
        pair = worst[0]
        title = text(
            "coarse_title",
            true=text.name(level.names[pair.true]),
            predicted=text.name(level.names[pair.predicted]),
            count=pair.count,
            total=int(level.support[pair.true]),
        )
    axes.set_title(title)
    return figure


@styled
def fine_confusion_figure(
    evaluation: Evaluation, order: np.ndarray, parents: np.ndarray, text: Text
) -> Figure:
    """The classes in ``order`` (C,), grouped by superclass; blocks along the diagonal are superclasses.

    ``parents`` (C,) is the superclass of each class.
    """
    level, coarse = evaluation.fine, evaluation.coarse
    assert coarse is not None
    figure = Figure(figsize=(9.6, 8.8))
    axes = figure.add_subplot()
    _heat(axes, row_shares(level.confusion)[np.ix_(order, order)], text)
    name_plot_area(axes, "fine")
    sizes = np.bincount(parents, minlength=len(coarse.names))
    ends = np.cumsum(sizes)
    for end in ends[:-1]:
        axes.axhline(end - 0.5, color=GREY, linewidth=0.35)
        axes.axvline(end - 0.5, color=GREY, linewidth=0.35)
    _ticks(axes, ends - sizes / 2 - 0.5, [text.name(name) for name in coarse.names], text)
    within = errors_within_superclass(evaluation)
    title = text("confusion_none") if np.isnan(within) else text("fine_title", within=100 * within)
    axes.set_title(title)
    return figure


def row_shares(confusion: np.ndarray) -> np.ndarray:
    """Counts (C, C) as shares of the images of each true class; rows without images are 0."""
    return confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)


def grouped_order(parents: np.ndarray) -> np.ndarray:
    """Class indices (C,) sorted by superclass, within it by class."""
    return np.argsort(parents, kind="stable")


def _heat(axes: Axes, shares: np.ndarray, text: Text) -> None:
    # The square root of the share decides the shade, so that errors of one percent are seen.
    image = axes.imshow(shares, cmap=HEAT, norm=PowerNorm(0.5, 0, 1), interpolation="none")
    axes.grid(False)
    axes.spines[:].set_visible(True)
    bar = axes.figure.colorbar(image, ax=axes, shrink=0.6, pad=0.015, ticks=[0, 0.01, 0.05, 0.2, 0.5, 1])
    bar.ax.set_yticklabels(["0 %", "1 %", "5 %", "20 %", "50 %", "100 %"], fontsize=8)
    bar.set_label(text("share_of_true_class"), fontsize=9)
    bar.outline.set_visible(False)


def _ticks(axes: Axes, positions: np.ndarray, names: Sequence[str], text: Text) -> None:
    axes.set_xticks(positions, names, rotation=55, ha="right", rotation_mode="anchor", fontsize=8)
    axes.set_yticks(positions, names, fontsize=8)
    axes.tick_params(length=0)
    axes.set(xlabel=text("predicted"), ylabel=text("true"))
