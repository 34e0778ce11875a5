"""From a study and the flags given to the runs it consists of, all checked before the first one begins."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paddle_cifar.ablation.studies import STUDIES, Row, Study
from paddle_cifar.config import TrainConfig
from paddle_cifar.data.archive import Archive
from paddle_cifar.data.load import load_archive
from paddle_cifar.data.split import held_out_images
from paddle_cifar.errors import RunError, UsageError, flag, unknown_name
from paddle_cifar.recipes import configure
from paddle_cifar.runs import MACHINE_FIELDS, RunFolder

VAL_SPLIT = 5000


@dataclass(frozen=True)
class PlannedRun:
    """One run of a study: the row it belongs to, its whole config, and the fields that flags must set."""

    row: Row
    config: TrainConfig
    settings: dict[str, Any]

    @property
    def folder(self) -> RunFolder:
        """Where it is or will be."""
        return RunFolder(Path(self.config.output) / self.config.name)


@dataclass(frozen=True, eq=False)
class Plan:
    """A study, the runs to make of it, row after row, and their data."""

    name: str
    study: Study
    rows: tuple[Row, ...]
    runs: list[PlannedRun]
    archive: Archive

    @property
    def folder(self) -> Path:
        """Of the runs and the table."""
        return Path(self.runs[0].config.output)


def plan(
    name: str, given: dict[str, Any], seeds: int = 1, only: Sequence[str] | None = None, to: str = ""
) -> Plan:
    """Make the runs of a study.

    A run's settings are those of the recipe, then the study's, then the flags given, then the row's own.
    Unless the flags say otherwise, 5,000 training images are held out, or a tenth of the stand-in.

    Args:
        name: a key of STUDIES.
        given: config fields the user set: the budget.
        seeds: runs of each row, with seeds from ``given["seed"]`` on.
        only: labels of the rows wanted (default: all).
        to: folder of the runs (default: outputs/ablation-<name>).

    Raises:
        UsageError: for unknown names, settings that are impossible, or that the study itself varies.
        RunError: without data, or when the folder holds runs with other settings.
    """
    if name not in STUDIES:
        raise unknown_name("study", name, STUDIES)
    if seeds < 1:
        raise UsageError(f"--seeds is {seeds}; it must be at least 1")
    study = STUDIES[name]
    rows = _chosen(study, only)
    for field in given:
        if any(field in (row.changes or {}) for row in rows):
            raise UsageError(
                f"{flag(field)} is what the rows of study {name} set; leave it out, or choose others"
            )
    _refuse_recipe(name, rows, given)
    common = {**_held_out(given), **study.base, **given}
    first_seed = int(common.pop("seed", 0))
    to = to or f"outputs/ablation-{name}"
    runs = [
        _planned(row, {**common, **row.changes}, first_seed + seed, to)
        for row in rows
        if row.changes is not None
        for seed in range(seeds)
    ]
    if not runs:
        raise UsageError("none of these rows is trained here; they only show what was published")
    archive = _checked_data(runs)
    for run in runs:
        _check_earlier(run)
    return Plan(name, study, rows, runs, archive)


def _refuse_recipe(name: str, rows: tuple[Row, ...], given: dict[str, Any]) -> None:
    """UsageError for a recipe that uses what some rows add, such as SAM: the others would have it too."""
    chosen, plain = (configure({"recipe": each}) for each in (given.get("recipe", "baseline"), "baseline"))
    trained = [row.changes for row in rows if row.changes is not None]
    for field in sorted({field for changes in trained for field in changes}):
        value, off = getattr(chosen, field), not getattr(plain, field)
        if value and off and not all(field in changes for changes in trained):
            raise UsageError(
                f"--recipe {chosen.recipe} has {flag(field)} {value}, for some rows of study {name} only; "
                "choose another one"
            )


def folder_name(label: str) -> str:
    """A label as part of a folder's name.

    >>> folder_name("+ random erasing")
    'random-erasing'
    """
    return re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")


def _chosen(study: Study, only: Sequence[str] | None) -> tuple[Row, ...]:
    labels = [row.label for row in study.rows]
    for label in only or ():
        if label not in labels:
            raise unknown_name("configuration", label, labels)
    return tuple(row for row in study.rows if only is None or row.label in only)


def _held_out(given: dict[str, Any]) -> dict[str, Any]:
    if given.get("kfold"):
        return {}
    if given.get("dataset") == "synthetic":
        return {"val_split": given.get("synthetic_size", TrainConfig.synthetic_size) // 10}
    return {"val_split": VAL_SPLIT}


def _planned(row: Row, settings: dict[str, Any], seed: int, to: str) -> PlannedRun:
    place = {"seed": seed, "name": f"{folder_name(row.label)}-s{seed}", "output": to, "resume": "auto"}
    # One checkpoint: a study of resnet18 with many rows would fill the disk.
    settings = {"recipe": "baseline", **settings, **place, "keep": 1}
    return PlannedRun(row, configure(settings), settings)


def _checked_data(runs: list[PlannedRun]) -> Archive:
    """The data, when they can be split and batched as the runs want it."""
    config = runs[0].config
    archive = load_archive(config.dataset, config.data_file, config.synthetic_size)
    labels = archive.train.fine_labels
    for run in runs:
        config = run.config
        kept, _ = held_out_images(labels, config.val_split, config.kfold, config.fold, config.seed)
        if config.drop_last and config.batch_size > len(kept):
            raise UsageError(
                f"--batch-size {config.batch_size} is larger than the {len(kept)} training images left"
            )
    return archive


def _check_earlier(run: PlannedRun) -> None:
    """Runs of another budget in the folder must not get into one table with these."""
    folder = run.folder
    if not folder.saved() and not folder.result.exists():
        return
    earlier = TrainConfig.read(folder.config)
    for field in dataclasses.fields(TrainConfig):
        was, now = getattr(earlier, field.name), getattr(run.config, field.name)
        if field.name not in MACHINE_FIELDS and was != now:
            raise RunError(
                f"{folder.path} was trained with {flag(field.name)} {was}, now it is {now}; give the same "
                "flags as before to go on, or another --to"
            )
