"""The course of the training: loss, accuracy, learning rate."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from paddle_cifar.report.figures.style import BLUE, GREEN, GREY, MARKERS, ORANGE, percent, styled
from paddle_cifar.report.record import Record
from paddle_cifar.report.text import Text

SIZE = (5.6, 3.7)


@styled
def loss_figure(record: Record, text: Text) -> Figure:
    """Cross-entropy of training and test images over the epochs."""
    history, split = record.history, record.split
    title = text("loss_title", train=history["train_loss"][-1], test=history[f"{split}_loss"][-1])
    return _pair(record, text, "loss", title, text("loss_axis"))


@styled
def accuracy_figure(record: Record, text: Text) -> Figure:
    """Top-1 accuracy of training and test images over the epochs."""
    last = 100 * record.history[f"{record.split}_acc_top1"][-1]
    gap = 100 * record.history["train_acc_top1"][-1] - last
    title = text("accuracy_title_above" if gap >= 0 else "accuracy_title_below", test=last, gap=abs(gap))
    figure = _pair(record, text, "acc_top1", title, text("accuracy_axis"))
    figure.axes[0].yaxis.set_major_formatter(percent())
    return figure


@styled
def other_accuracies_figure(record: Record, text: Text) -> Figure:
    """Top-5 and superclass accuracy beside top-1, all on the images not trained on."""
    history, split = record.history, record.split
    figure = Figure(figsize=SIZE)
    axes = figure.add_subplot()
    shown = (("top5", GREEN, "D"), ("coarse", BLUE, "o"), ("top1", ORANGE, "s"))
    for metric, colour, marker in shown:
        values = history[f"{split}_acc_{metric}"]
        axes.plot(
            history["epoch"],
            values,
            color=colour,
            marker=marker,
            markersize=3.5,
            label=text(f"{metric}_line"),
        )
    axes.set(
        title=text(
            "other_accuracies_title",
            top5=100 * history[f"{split}_acc_top5"][-1],
            coarse=100 * history[f"{split}_acc_coarse"][-1],
        ),
        xlabel=text("epoch"),
        ylabel=text("accuracy_unseen"),
        ylim=(0, 1),
    )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(percent())
    axes.legend()
    return figure


@styled
def rate_figure(record: Record, text: Text) -> Figure:
    """Learning rate at the end of each epoch."""
    rate = record.history["lr"]
    figure = Figure(figsize=SIZE)
    axes = figure.add_subplot()
    axes.plot(record.history["epoch"], rate, color=GREY, marker="o", markersize=3)
    axes.set(title=text("rate_title", peak=rate.max()), xlabel=text("epoch"), ylabel=text("rate_axis"))
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def _pair(record: Record, text: Text, column: str, title: str, ylabel: str) -> Figure:
    figure = Figure(figsize=SIZE)
    axes = figure.add_subplot()
    epochs = record.history["epoch"]
    for split, colour, marker in (("train", BLUE, MARKERS[0]), (record.split, ORANGE, MARKERS[1])):
        values = record.history[f"{split}_{column}"]
        axes.plot(epochs, values, color=colour, marker=marker, markersize=3.5, label=text(f"{split}_images"))
    axes.set(title=title, xlabel=text("epoch"), ylabel=ylabel)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()
    return figure
