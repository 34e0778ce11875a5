"""Several runs in one figure."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from paddle_cifar.report.figures.style import BLUE, COLOURS, INK, MARKERS, ORANGE, percent, styled
from paddle_cifar.report.record import Record
from paddle_cifar.report.standing import Standing
from paddle_cifar.report.text import Text

DASHES = ("-", "--", "-.", ":")  # where curves coincide, both can be seen


@styled
def overlaid_curves_figure(records: Mapping[str, Record], text: Text) -> Figure:
    """Test loss and test accuracy of every run over its epochs; the keys are the runs' labels."""
    figure = Figure(figsize=(11, 4.2))
    loss, accuracy = figure.subplots(1, 2)
    for index, (label, record) in enumerate(records.items()):
        look = {
            "color": COLOURS[index % len(COLOURS)],
            "marker": MARKERS[index % len(MARKERS)],
            "linestyle": DASHES[index % len(DASHES)],
            "markersize": 4,
            "label": label,
        }
        if record.epochs:
            loss.plot(record.history["epoch"], record.history[f"{record.split}_loss"], **look)
            accuracy.plot(record.history["epoch"], record.history[f"{record.split}_acc_top1"], **look)
    loss.set(title=text("overlaid_loss_title"), xlabel=text("epoch"), ylabel=text("loss_axis"))
    accuracy.set(title=text("overlaid_accuracy_title"), xlabel=text("epoch"), ylabel=text("accuracy_axis"))
    accuracy.yaxis.set_major_formatter(percent())
    for axes in (loss, accuracy):
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    accuracy.legend(loc="lower right", fontsize=9)
    return figure


@styled
def scores_figure(standings: Mapping[str, Standing], text: Text) -> Figure:
    """Top-1 and top-5 error of every run as bars, the best run on top."""
    order = sorted(standings, key=lambda label: standings[label].top1_error)
    figure = Figure(figsize=(11, 0.62 * len(order) + 1.5))
    axes = figure.add_subplot()
    places = np.arange(len(order))
    for name, colour, shift in (("top1_error", BLUE, -0.2), ("top5_error", ORANGE, 0.2)):
        values = [getattr(standings[label], name) for label in order]
        axes.barh(places + shift, values, 0.38, color=colour, label=text(name))
        for place, value in zip(places, values, strict=True):
            axes.annotate(
                f"{100 * value:.2f} %",
                (value, place + shift),
                (4, 0),
                textcoords="offset points",
                va="center",
                color=INK,
                fontsize=9,
            )
    axes.set_yticks(places, order)
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.margins(x=0.1)
    axes.xaxis.set_major_formatter(percent())
    axes.set_title(text("scores_title", run=order[0], error=100 * standings[order[0]].top1_error))
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure
