"""Precision-recall and ROC curves."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paddle_cifar.report.areas import Curves
from paddle_cifar.report.evaluate import Level
from paddle_cifar.report.figures.style import BLUE, GREY, INK, ORANGE, name_plot_area, percent, styled
from paddle_cifar.report.text import Text

SIZE = (5.6, 5.2)


@styled
def precision_recall_figure(level: Level, text: Text) -> Figure:
    """Precision over recall: every class in grey, their mean, and all decisions together."""
    figure = Figure(figsize=SIZE)
    axes = figure.add_subplot()
    _draw(axes, level.pr, text)
    name_plot_area(axes, "pr")
    axes.set(
        title=_spread(level, level.pr, text, "pr_title"), xlabel=text("recall"), ylabel=text("precision")
    )
    _legend(axes, text("area_ap"))
    return figure


@styled
def roc_figure(level: Level, text: Text) -> Figure:
    """True-positive rate over false-positive rate, drawn in the same way."""
    figure = Figure(figsize=SIZE)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color=INK, linestyle=":", linewidth=1, label=text("chance"))
    _draw(axes, level.roc, text)
    name_plot_area(axes, "roc")
    axes.set(
        title=_spread(level, level.roc, text, "roc_title"),
        xlabel=text("false_positive_rate"),
        ylabel=text("true_positive_rate"),
    )
    _legend(axes, text("area_auc"))
    return figure


def _draw(axes: Axes, curves: Curves, text: Text) -> None:
    label = text("each_class")
    for curve in curves.classes:
        if curve is not None:
            axes.plot(curve.x, curve.y, color=GREY, alpha=0.16, linewidth=0.6, label=label)
            label = None
    micro, macro = curves.micro, curves.macro
    axes.plot(macro.x, macro.y, color=BLUE, label=f"{text('macro')}  {macro.area:.4f}")
    axes.plot(micro.x, micro.y, color=ORANGE, linestyle="--", label=f"{text('micro')}  {micro.area:.4f}")
    axes.set(xlim=(0, 1), ylim=(0, 1.005))
    axes.xaxis.set_major_formatter(percent())
    axes.yaxis.set_major_formatter(percent())


def _legend(axes: Axes, title: str) -> None:
    # Below the axes: a weak network's curves need the corner that a strong one's leave free.
    legend = axes.figure.legend(loc="outside lower center", ncols=2, title=title)
    for line in legend.get_lines():  # a single curve is too faint to be recognised in the legend
        line.set_alpha(1)


def _spread(level: Level, curves: Curves, text: Text, key: str) -> str:
    areas = curves.areas
    if np.isnan(areas).all():
        return text(f"{key}_none")
    best, worst = int(np.nanargmax(areas)), int(np.nanargmin(areas))
    return text(
        key,
        best=text.name(level.names[best]),
        worst=text.name(level.names[worst]),
        high=areas[best],
        low=areas[worst],
    )
