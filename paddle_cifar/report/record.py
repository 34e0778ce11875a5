"""What a run has written down: its settings, its history, its result. Needs no weights and no Paddle."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from paddle_cifar.config import TrainConfig
from paddle_cifar.errors import RunError
from paddle_cifar.runs import RunFolder

REPORT_JSON = "report.json"


@dataclass(frozen=True, eq=False)
class Record:
    """A run folder that was read.

    ``history``: column name -> (epochs,), as in history.csv; empty before the first epoch.
    ``result``: result.json, empty for a run that is not finished.
    ``report``: report.json as an earlier report left it, empty without one.
    """

    run: RunFolder
    config: TrainConfig
    history: dict[str, np.ndarray]
    result: dict[str, Any]
    report: dict[str, Any]

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.run.path.resolve().name

    @property
    def epochs(self) -> int:
        """Epochs in the history. A resumed run's history is one, from its first epoch on."""
        return len(self.history.get("epoch", ()))

    @property
    def split(self) -> str:
        """What was evaluated after each epoch: "val" or "test"."""
        return "val" if "val_loss" in self.history else "test"

    @property
    def minutes(self) -> float:
        """Of the whole run; before it is finished, of its epochs. NaN when nothing is known."""
        seconds = self.result.get("seconds", self.history.get("seconds", np.array([np.nan])).sum())
        return float(seconds) / 60


def read_record(folder: Path) -> Record:
    """Read outputs/<run>; RunError when it is no run folder or a file in it is damaged."""
    run = RunFolder.existing(Path(folder))
    config = TrainConfig.read(run.config)
    return Record(
        run,
        config,
        _read_history(run.history),
        _read_json(run.result),
        _read_json(run.path / REPORT_JSON),
    )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read ({error}); remove it, or train again") from error
    if not isinstance(values, dict):
        raise RunError(f"{path} holds no JSON object; remove it, or train again")
    return values


def _read_history(path: Path) -> dict[str, np.ndarray]:
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        return {name: np.array([float(row[name]) for row in rows]) for name in rows[0]} if rows else {}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise RunError(f"{path} cannot be read ({error}); remove it, or train again") from error
