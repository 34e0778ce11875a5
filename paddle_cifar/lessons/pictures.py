"""Pictures of the lesson: the classes, predictions of test images, and one picture's guesses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paddle_cifar.data.cifar100 import Cifar100
from paddle_cifar.prediction.classifier import Guess, as_images
from paddle_cifar.report.figures.style import BLUE, ORANGE, percent, styled

GROUPS_A_ROW = 2


@styled
def class_sheet_figure(dataset: Cifar100) -> Figure:
    """The first image of every class, the five classes of a superclass side by side below its name.

    A class without images stays empty.
    """
    rows = -(-len(dataset.coarse_names) // GROUPS_A_ROW)
    figure = Figure(figsize=(10, 1.5 * rows), dpi=72)
    groups = figure.subfigures(rows, GROUPS_A_ROW, wspace=0.04)
    for coarse, group in enumerate(groups.flat):
        group.suptitle(_readable(dataset.coarse_names[coarse]), fontsize=10, weight="bold")
        classes = np.flatnonzero(dataset.fine_to_coarse == coarse)
        for axes, label in zip(group.subplots(1, len(classes)), classes, strict=True):
            axes.axis("off")
            axes.set_title(
                _readable(dataset.fine_names[label]), fontsize=8, weight="normal", loc="center", pad=3
            )
            of_class = np.flatnonzero(dataset.fine_labels == label)
            if len(of_class):
                _show(axes, dataset.images[of_class[0]])
    return figure


@styled
def predictions_figure(
    images: np.ndarray, labels: np.ndarray, names: Sequence[str], guesses: Sequence[Sequence[Guess]]
) -> Figure:
    """Images with the best guess of each, blue where it is right, orange where it is wrong.

    Args:
        images: uint8 (N, 3, H, W).
        labels: int64 (N,).
        names: of the classes.
        guesses: what ``Classifier.predict`` said, the most probable first.
    """
    columns = 6
    rows = -(-len(images) // columns)
    figure = Figure(figsize=(10, 2.0 * rows + 0.3))
    grid = figure.subplots(rows, columns, squeeze=False)
    right = 0
    for axes in grid.flat:
        axes.axis("off")
    for axes, image, label, guess in zip(grid.flat, images, labels, guesses, strict=False):
        hit = guess[0].label == label
        right += hit
        _show(axes, image)
        axes.set_title(
            f"{_readable(guess[0].name)} {100 * guess[0].probability:.0f} %"
            + ("" if hit else f"\nis: {_readable(names[label])}"),
            fontsize=8,
            weight="normal",
            loc="center",
            color=BLUE if hit else ORANGE,
        )
    figure.suptitle(
        f"{right} of {len(images)} right (blue); orange is wrong",
        x=0.01,
        ha="left",
        fontsize=11,
        weight="bold",
    )
    return figure


@styled
def guesses_figure(picture: Any, guesses: Sequence[Guess]) -> Figure:
    """A picture as the network sees it, and its most probable classes as bars.

    Args:
        picture: what ``Classifier.predict`` was given: a path, a Pillow image or an array.
        guesses: what it said, the most probable first.
    """
    figure = Figure(figsize=(8, 2.6))
    left, right = figure.subplots(1, 2, width_ratios=[1, 2.2])
    _show(left, as_images(picture)[0])
    left.axis("off")
    left.set_title("what the network sees", loc="center", weight="normal", fontsize=9)
    places = np.arange(len(guesses))
    values = [guess.probability for guess in guesses]
    bars = right.barh(places, values, 0.6, color=BLUE)
    right.bar_label(bars, [f"{100 * value:.1f} %" for value in values], padding=4, fontsize=9)
    right.set_yticks(places, [f"{_readable(each.name)} ({_readable(each.superclass)})" for each in guesses])
    right.invert_yaxis()
    right.set_xlim(0, 1.12)
    right.set_xticks(np.linspace(0, 1, 6))
    right.grid(axis="y", visible=False)
    right.xaxis.set_major_formatter(percent())
    right.set(title=f"Best guess: {_readable(guesses[0].name)}", xlabel="probability")
    return figure


def _show(axes: Axes, image: np.ndarray) -> None:
    axes.imshow(image.transpose(1, 2, 0), interpolation="nearest")


def _readable(name: str) -> str:
    return name.replace("_", " ")
