"""The report for VisualDL: figures, pictures, scores, embeddings and the network's graph.

It goes into vdl/report-<run>/. VisualDL shows only the last log file of a folder, so beside the training's
log it would hide the curves; as a folder of its own it is shown as a run of its own. The graph page
shows the last name of a folder only, hence the run's name in it. Hyper-parameters and histograms of
weights are in the training's log already.
"""

from __future__ import annotations

import contextlib
import io
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from paddle_cifar.callbacks.visualdl import image_grid
from paddle_cifar.optional import optional
from paddle_cifar.report import figures
from paddle_cifar.report.figures.confusion import grouped_order
from paddle_cifar.report.figures.style import chinese_fonts, to_pixels
from paddle_cifar.report.graph import GraphTracer
from paddle_cifar.report.mistakes import highest_loss, most_confused
from paddle_cifar.report.subject import Subject
from paddle_cifar.report.text import Text

EMBEDDED = 2000  # images in the projector; the page computes PCA and t-SNE itself, in the browser


def write_visualdl(subject: Subject, text: Text, graph: GraphTracer | None = None) -> Path:
    """Write vdl/report-<run>/ anew; returns the folder.

    Where no font with Chinese characters is installed, the figures are in English: they are pixels.
    """
    for earlier in subject.record.run.vdl.glob("report-*/"):
        shutil.rmtree(earlier)
    folder = subject.record.run.vdl / f"report-{subject.record.name}"
    folder.mkdir(parents=True)
    text = text if chinese_fonts() else Text("en")
    step = subject.predictions.epochs
    with open_log(folder, "vdlrecords.report.log") as writer:
        for tag, figure in draw_figures(subject, text):
            writer.add_image(f"report/{tag}", to_pixels(figure), step)
        images = subject.predictions.test_set.images
        writer.add_image(
            "report/images_highest_loss", image_grid(images[highest_loss(subject.evaluation, 64)]), step
        )
        for name, value in subject.evaluation.scores.items():
            if np.isfinite(value):
                writer.add_scalar(f"score/{name}", value, step)
        _add_embeddings(writer, subject)
    problem = graph.finish(folder) if graph else ""
    if problem:
        print(f"warning: VisualDL will not show the network's graph: {problem}", file=sys.stderr)
    return folder


@contextlib.contextmanager
def open_log(folder: Path, file_name: str) -> Iterator[Any]:
    """A VisualDL writer that says nothing and is always closed, since its thread outlives an exception."""
    visualdl = optional("visualdl", "visualdl")
    with contextlib.redirect_stdout(io.StringIO()):
        writer = visualdl.LogWriter(logdir=str(folder), file_name=file_name)
    try:
        yield writer
    finally:
        writer.close()


def draw_figures(subject: Subject, text: Text) -> Iterator[tuple[str, Figure]]:
    """Every figure of the report under its tag."""
    record, evaluation, predictions = subject.record, subject.evaluation, subject.predictions
    if record.epochs:
        yield "loss", figures.loss_figure(record, text)
        yield "accuracy", figures.accuracy_figure(record, text)
        yield "other_accuracies", figures.other_accuracies_figure(record, text)
    if evaluation.coarse is not None:
        order = grouped_order(subject.parents)
        yield "confusion_20_superclasses", figures.coarse_confusion_figure(evaluation.coarse, text)
        yield (
            "confusion_100_classes",
            figures.fine_confusion_figure(evaluation, order, subject.parents, text),
        )
    yield "precision_recall", figures.precision_recall_figure(evaluation.fine, text)
    yield "roc", figures.roc_figure(evaluation.fine, text)
    yield "reliability", figures.reliability_figure(evaluation.reliability, text)
    images, filenames = predictions.test_set.images, predictions.test_set.filenames
    pairs = most_confused(evaluation.fine, 8)
    if pairs:
        yield "most_confused", figures.confused_figure(evaluation, pairs, images, text)
    missed = highest_loss(evaluation, 18)
    yield "highest_loss", figures.missed_figure(evaluation, missed, images, filenames, text)


def _add_embeddings(writer: Any, subject: Subject) -> None:
    """What the last layer sees of an even choice of test images, labelled for search and colour."""
    predictions, evaluation = subject.predictions, subject.evaluation
    level, coarse = evaluation.fine, evaluation.coarse
    count = len(predictions.features)
    chosen = np.unique(np.linspace(0, count - 1, min(EMBEDDED, count)).astype(int))
    columns = {
        "superclass": [coarse.names[coarse.labels[index]] for index in chosen] if coarse else [],
        "class": [level.names[level.labels[index]] for index in chosen],
        "prediction": [level.names[level.predicted[index]] for index in chosen],
        "file": [predictions.test_set.filenames[index] for index in chosen],
    }
    columns = {name: values for name, values in columns.items() if values}
    writer.add_embeddings(
        "penultimate_layer",
        predictions.features[chosen].round(4),
        metadata=list(columns.values()),
        metadata_header=list(columns),
    )
