"""Images of mistakes as figures for VisualDL; the page shows the same ones with text of its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paddle_cifar.report.evaluate import Evaluation
from paddle_cifar.report.figures.style import styled
from paddle_cifar.report.mistakes import Pair
from paddle_cifar.report.text import Text


@styled
def confused_figure(
    evaluation: Evaluation, pairs: Sequence[Pair], images: np.ndarray, text: Text, columns: int = 6
) -> Figure:
    """A row of example images for each pair of classes. ``images``: uint8 (N, 3, H, W)."""
    rows = max(1, len(pairs))
    figure = Figure(figsize=(9.6, 1.08 * rows + 0.6))
    grid = figure.subplots(rows, columns + 1, squeeze=False, width_ratios=[3.2, *[1] * columns])
    names = evaluation.fine.names
    for axes in grid.flat:
        axes.axis("off")
    for row, pair in zip(grid, pairs, strict=False):
        line = text(
            "pair_line",
            true=text.name(names[pair.true]),
            predicted=text.name(names[pair.predicted]),
            count=pair.count,
            total=int(evaluation.fine.support[pair.true]),
        )
        row[0].text(0, 0.5, line, va="center", fontsize=10)
        for axes, index in zip(row[1:], pair.images, strict=False):
            _show(axes, images[index])
    figure.suptitle(text("confused_title"), x=0.01, ha="left", fontsize=11, weight="bold")
    return figure


@styled
def missed_figure(
    evaluation: Evaluation,
    chosen: np.ndarray,
    images: np.ndarray,
    filenames: Sequence[str],
    text: Text,
    columns: int = 6,
) -> Figure:
    """The images ``chosen`` (K,), each with its loss, truth, prediction and file name."""
    rows = -(-len(chosen) // columns)
    figure = Figure(figsize=(11, 2.15 * rows + 0.5))
    grid = figure.subplots(rows, columns, squeeze=False)
    level = evaluation.fine
    for axes in grid.flat:
        axes.axis("off")
    for axes, index in zip(grid.flat, chosen, strict=False):
        _show(axes, images[index])
        truth, guess = level.labels[index], level.predicted[index]
        axes.set_title(
            f"{text.name(level.names[truth])} → {text.name(level.names[guess])}\n"
            f"{text('loss')} {evaluation.losses[index]:.1f}\n{_short(filenames[index])}",
            fontsize=8,
            weight="normal",
            loc="center",
        )
    figure.suptitle(text("missed_title"), x=0.01, ha="left", fontsize=11, weight="bold")
    return figure


def _show(axes: Axes, image: np.ndarray) -> None:
    axes.imshow(image.transpose(1, 2, 0), interpolation="nearest")


def _short(name: str, length: int = 26) -> str:
    return name if len(name) <= length else name[: length - 1] + "…"
