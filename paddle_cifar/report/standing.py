"""The figures of one run in a comparison."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

from paddle_cifar.errors import RunError
from paddle_cifar.report.record import Record

SCORES = ("top1_error", "top5_error", "accuracy", "mAP")


@dataclass(frozen=True)
class Standing:
    """One row of the table, in the columns of the series: scores are fractions, NaN where not known."""

    network: str
    params: int
    megabytes: float
    top1_error: float
    top5_error: float
    accuracy: float
    mAP: float
    epochs: int
    minutes: float
    test_images: str
    """What was measured on: data set, its SHA-256, and how many images where not all."""

    @property
    def known_scores(self) -> dict[str, float]:
        """The scores that are known, by name."""
        return {name: getattr(self, name) for name in SCORES if math.isfinite(getattr(self, name))}

    @property
    def scores_missing(self) -> bool:
        """Whether a score is not known."""
        return len(self.known_scores) < len(SCORES)


COLUMNS = tuple(field.name for field in fields(Standing) if field.name != "test_images")


def standing(record: Record, overrides: dict[str, Any]) -> Standing:
    """Take the scores from the run's report; make them where there are weights; else from its result.

    Raises:
        RunError: when the run has neither weights nor a result.
    """
    report = record.report if _is_current(record) else {}
    run = record.run
    if not report and (run.best.exists() if record.config.val_split else run.saved()):
        from paddle_cifar.report.subject import examine, save_scores  # imports Paddle

        print(f"evaluating {record.name} on its test images", flush=True)
        report = save_scores(examine(run.path, overrides))
    if not report and not record.result:
        raise RunError(f"{run.path} has neither weights nor a result to compare; train it first")
    scores = report.get("scores") or _scores_of_result(record.result)
    params = int(report.get("params") or record.result["params"])
    data = report or record.result
    part = "" if report.get("all_images", True) else f", the first {report['images']}"
    return Standing(
        network=record.config.model + (" (ImageNet stem)" if record.config.stem == "imagenet" else ""),
        params=params,
        megabytes=params * 4 / 2**20,
        epochs=int(record.result.get("epochs", record.epochs)),
        minutes=record.minutes,
        test_images=f"{record.config.dataset} {data['data_sha256']}{part}",
        **{name: math.nan if scores.get(name) is None else scores[name] for name in SCORES},
    )


def _is_current(record: Record) -> bool:
    """Whether report.json is of all test images and of the run as it stands; training may have gone on."""
    report = record.report
    return bool(report.get("all_images")) and report.get("history_epochs") == record.epochs


def _scores_of_result(result: dict[str, Any]) -> dict[str, float]:
    top1, top5 = result["acc_top1"], result["acc_top5"]
    return {"accuracy": top1, "top1_error": 1 - top1, "top5_error": 1 - top5}
