"""The figures and tables of ``notebooks/tricks_and_ablations.ipynb``; words in figures are English."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import paddle
from matplotlib.figure import Figure

from paddle_cifar.ablation.measure import measures_of
from paddle_cifar.ablation.plan import Plan
from paddle_cifar.ablation.studies import STUDIES
from paddle_cifar.ablation.table import summarise
from paddle_cifar.lessons.walks import Surface
from paddle_cifar.prediction.classifier import softmax
from paddle_cifar.recipes import recipe
from paddle_cifar.report.calibration import reliability
from paddle_cifar.report.figures import study_figure
from paddle_cifar.report.figures.style import COLOURS, GREY, INK, percent, styled

DASHES = ("-", "--", ":")


@styled
def picture_grid(
    rows: Sequence[np.ndarray],
    row_labels: Sequence[str],
    column_labels: Sequence[str],
    title: str,
    captions: Sequence[Sequence[str]] = (),
    inches: float = 0.64,
) -> Figure:
    """Rows of uint8 pictures (columns, 3, side, side), all of one shape, each ``inches`` wide.

    Widths that make a picture's pixel a whole number of the figure's (100 an inch) are sharpest.
    ``captions``, of up to two lines, stand below each picture.
    """
    side = rows[0].shape[-1]
    across, down = side + side // 8, side + (side // 2 if captions else side // 8)
    mosaic = np.full((len(rows) * down, len(rows[0]) * across, 3), 255, np.uint8)
    height, width = (inches / side * pixels for pixels in mosaic.shape[:2])
    beside = 0.1 + 0.08 * max(map(len, row_labels))
    above = 0.4 + 0.03 * max(map(len, column_labels), default=0)
    size = (beside + width + 0.6, height + above)
    # Placed by hand: a layout engine would squeeze the mosaic to make room for labels.
    figure = Figure(figsize=size, layout="none")
    axes = figure.add_axes((beside / size[0], 0, width / size[0], height / size[1]))
    for row, pictures in enumerate(rows):
        for column, picture in enumerate(pictures):
            top, left = row * down, column * across
            mosaic[top : top + side, left : left + side] = picture.transpose(1, 2, 0)
            if captions:
                axes.text(left, top + side + 1, captions[row][column], fontsize=7, va="top")
    axes.imshow(mosaic, interpolation="nearest", aspect="auto")
    axes.set_xticks(np.arange(len(column_labels)) * across + side / 2, column_labels, rotation=25, ha="left")
    axes.set_yticks(np.arange(len(rows)) * down + side / 2, row_labels)
    axes.tick_params(length=0, labeltop=True, labelbottom=False, labelsize=9)
    axes.spines[:].set_visible(False)
    axes.grid(visible=False)
    axes.set_title(title)
    return figure


@styled
def curves(
    lines: dict[str, tuple[np.ndarray, np.ndarray]], title: str, xlabel: str, ylabel: str, steps: bool = False
) -> Figure:
    """Named lines (x, y) in one pair of axes; ``steps`` keeps each value until the next."""
    figure = Figure(figsize=(8, 3.2))
    axes = figure.add_subplot()
    for number, (label, (x, y)) in enumerate(lines.items()):
        look = {"color": COLOURS[number % len(COLOURS)], "linestyle": DASHES[number % len(DASHES)]}
        axes.plot(x, y, label=label, drawstyle="steps-mid" if steps else "default", **look)
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
    if len(lines) > 1:
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure


@styled
def walks_figure(
    surface: Surface,
    walks: dict[str, np.ndarray],
    title: str,
    x: tuple[float, float],
    y: tuple[float, float],
    columns: int = 4,
) -> Figure:
    """A panel for each walk (steps + 1, 2) over the surface's contours, from the circle to the cross."""
    across, up = np.meshgrid(np.linspace(*x, 120), np.linspace(*y, 120))
    height = surface(paddle.to_tensor(across), paddle.to_tensor(up)).numpy()
    # Bands of equal area: at equal heights the bottom of a steep surface would be one blank.
    share_below = height.ravel().argsort().argsort().reshape(height.shape) / height.size
    rows = -(-len(walks) // columns)
    figure = Figure(figsize=(2.4 * columns, 2.3 * rows + 0.5))
    for axes, (name, path) in zip(
        figure.subplots(rows, columns, squeeze=False).flat, walks.items(), strict=False
    ):
        axes.contourf(across, up, share_below, levels=12, cmap="Blues_r", vmin=-0.8)
        axes.plot(*path.T, color=COLOURS[1], linewidth=1.2, marker=".", markersize=3)
        axes.plot(*path[0], "o", color=INK)
        axes.plot(*path[-1], "X", color=INK, markersize=8)
        axes.set(title=name, xlim=x, ylim=y)
        axes.title.set_fontsize(9)
        axes.grid(visible=False)
    for axes in figure.axes[len(walks) :]:
        axes.remove()
    figure.suptitle(title)
    return figure


@styled
def smoothing_figure(share: float, predictions: dict[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """What label smoothing asks for and what comes of it: target, margins of the logits, calibration.

    Args:
        share: of the target that is spread over all classes, above 0.
        predictions: logits (N, C) and labels (N,) of each network by its name.
    """
    figure = Figure(figsize=(12, 3.6))
    target, margins, calibration = figure.subplots(1, 3)
    classes = next(iter(predictions.values()))[0].shape[1]
    everywhere, there = share / classes, 1 - share + share / classes
    target.bar(np.arange(classes), np.full(classes, everywhere), 1, color=COLOURS[1])
    target.bar(
        classes // 2, there, 3, color=COLOURS[1], label=f"smoothing {share:g}: {there:.3f}, {everywhere:.3f}"
    )
    target.bar(classes // 2 + 5, 1, 3, color=COLOURS[0], label="one-hot: 1, 0")
    target.set(yscale="log", ylim=(everywhere / 3, 30), xlabel="class", title="Target distribution")
    target.legend(loc="upper left", fontsize=8)
    best = np.log(there / everywhere)
    margins.axvline(best, color=GREY, linestyle="--", label=f"best for smoothing {share:g}: {best:.1f}")
    for colour, (name, (logits, labels)) in zip(COLOURS, predictions.items(), strict=False):
        margins.hist(margins_of(logits, labels), 40, histtype="step", linewidth=1.8, color=colour, label=name)
        confidence = softmax(logits).max(1)
        bins = reliability(confidence, logits.argmax(1) == labels)
        used = bins.counts > 0
        label = f"{name}: ECE {100 * bins.ece:.1f} %"
        calibration.plot(bins.confidence[used], bins.accuracy[used], ".-", color=colour, label=label)
    margins.set(xlabel="true logit minus mean of the others", ylabel="images", title="Margins of the logits")
    calibration.plot([0, 1], [0, 1], color=GREY, linestyle="--", label="calibrated")
    calibration.set(xlabel="confidence", ylabel="accuracy", title="Calibration")
    for axis in (calibration.xaxis, calibration.yaxis):
        axis.set_major_formatter(percent())
    margins.legend(loc="upper right", fontsize=8)
    calibration.legend(loc="lower right", fontsize=8)
    return figure


def margins_of(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The logit of the true class minus the mean of all others, (N,), from logits (N, C)."""
    true = logits[np.arange(len(labels)), labels]
    return true - (logits.sum(1) - true) / (logits.shape[1] - 1)


def study_chart(plan: Plan) -> Figure:
    """The chart of those runs of a study that are finished."""
    measured = [(run, measures_of(run, plan.archive)) for run in plan.runs if run.folder.result.exists()]
    return study_figure(summarise(plan.rows, measured), plan.study.question)


def recipe_table(names: Sequence[str]) -> str:
    """Markdown: every setting in which these recipes differ."""
    configs = [recipe(name) for name in names]
    lines = [["setting", *names], ["---"] * (len(names) + 1)]
    for field in dataclasses.fields(configs[0]):
        values = [str(getattr(config, field.name)) for config in configs]
        if field.name != "recipe" and len(set(values)) > 1:
            lines.append([f"`{field.name}`", *values])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def published_table() -> str:
    """Markdown: every accuracy the series published, by study (200 epochs, test images)."""
    lines = [["study", "configuration", "acc %", "with TTA %"], ["---", "---", "---:", "---:"]]
    for name, study in STUDIES.items():
        for row in study.rows:
            if row.published:
                scores = [row.published.get(key) for key in ("accuracy", "accuracy_tta")]
                shown = ["–" if score is None else f"{100 * score:g}" for score in scores]
                lines.append([name, row.label, *shown])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
