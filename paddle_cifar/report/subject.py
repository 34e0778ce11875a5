"""What a report is about: a run, its predictions of the test images, and the measures of these."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from paddle_cifar.atomic import write_json
from paddle_cifar.report.evaluate import Evaluation, Level, evaluate_predictions
from paddle_cifar.report.forward import Predictions, predict_run
from paddle_cifar.report.record import REPORT_JSON, Record, read_record


@dataclass(frozen=True, eq=False)
class Subject:
    """Everything the page, VisualDL and the comparison draw from."""

    record: Record
    predictions: Predictions
    evaluation: Evaluation

    @property
    def parents(self) -> np.ndarray:
        """Superclass of each class, int64 (100,)."""
        return self.predictions.test_set.fine_to_coarse


def examine(folder: Path, overrides: dict[str, Any]) -> Subject:
    """Read a run, predict its test images and measure the predictions.

    Args:
        folder: outputs/<run>.
        overrides: as for ``predict_run``.
    """
    record = read_record(folder)
    predictions = predict_run(record, overrides)
    test_set = predictions.test_set
    evaluation = evaluate_predictions(
        predictions.logits,
        predictions.labels,
        test_set.fine_names,
        test_set.fine_to_coarse,
        test_set.coarse_names,
    )
    return Subject(record, predictions, evaluation)


def save_scores(subject: Subject) -> dict[str, Any]:
    """Write report.json into the run: all figures of the report, for ``compare`` and for programs.

    Fractions from 0 to 1, losses in nats; ``null`` where a class has no images.
    """
    predictions, evaluation = subject.predictions, subject.evaluation
    contents = {
        "scores": {name: _number(value) for name, value in evaluation.scores.items()},
        "images": len(predictions.logits),
        "all_images": len(predictions.logits) == len(predictions.test_set),
        "dataset": subject.record.config.dataset,
        "data_sha256": predictions.test_set.sha256,
        "checkpoint": predictions.which,
        "epochs": predictions.epochs,
        "history_epochs": subject.record.epochs,
        "params": predictions.params,
        "classes": _per_class(evaluation.fine),
        "superclasses": _per_class(evaluation.coarse) if evaluation.coarse else {},
    }
    write_json(subject.record.run.path / REPORT_JSON, contents)
    return contents


def _per_class(level: Level) -> dict[str, dict[str, float | None]]:
    columns = {
        "images": level.support,
        "precision": level.precision,
        "recall": level.recall,
        "f1": level.f1,
        "ap": level.pr.areas,
        "auc": level.roc.areas,
    }
    return {
        name: {column: _number(values[index]) for column, values in columns.items()}
        for index, name in enumerate(level.names)
    }


def _number(value: Any) -> float | None:
    """A JSON number; JSON has no NaN."""
    value = value.item() if isinstance(value, np.generic) else value
    return None if np.isnan(value) else value
