"""The record of a run, a row an epoch, in memory and in history.csv."""

from __future__ import annotations

import csv
import io
import time
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from paddle_cifar.callbacks.throughput import Throughput
from paddle_cifar.checkpoint import write_atomically
from paddle_cifar.data.loader import BatchLoader

Row = dict[str, float]
METRICS = {"mean_loss": "loss", "acc_top1": "acc_top1", "acc_top5": "acc_top5", "acc_coarse": "acc_coarse"}


class History(paddle.callbacks.Callback):
    """Counts epochs over the whole run, sets each epoch's randomness, and records its figures.

    ``paddle.Model.fit`` counts from zero in every process; ``epoch`` here goes
    on from ``first_epoch``. Columns: epoch (from 1), lr, train_*, then val_* or
    test_* (fractions, nats), seconds of the epoch with its evaluation, and
    images_per_second of its training steps.

    Args:
        path: history.csv.
        loader: the training batches, told which epoch to draw.
        throughput: measures the steps.
        split: what the evaluation in ``fit`` sees, "val" or "test".
        rows: epochs that earlier processes finished.
        seed: of the run.
    """

    def __init__(
        self,
        path: Path,
        loader: BatchLoader,
        throughput: Throughput,
        split: str = "test",
        rows: list[Row] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.path, self.loader, self.throughput = path, loader, throughput
        self.split, self.seed = split, seed
        self.rows: list[Row] = list(rows or [])
        self.first_epoch = len(self.rows)
        self.epoch = self.first_epoch
        self._train: Row = {}
        self._began = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Start an epoch: its order, its augmentation and its dropout follow from (seed, epoch) alone."""
        self.epoch = self.first_epoch + epoch
        self.loader.set_epoch(self.epoch)
        paddle.seed(int(np.random.SeedSequence((self.seed, self.epoch)).generate_state(1)[0]))
        self._began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Keep the training figures: ``fit`` overwrites ``logs`` in the evaluation that follows."""
        self._train = {f"train_{column}": float((logs or {})[key]) for key, column in METRICS.items()}

    def on_eval_end(self, logs: dict[str, Any] | None = None) -> None:
        """Complete the row and rewrite history.csv."""
        evaluated = {f"{self.split}_{column}": float((logs or {})[key]) for key, column in METRICS.items()}
        self.rows.append(
            {
                "epoch": self.epoch + 1,
                "lr": float(self.model._optimizer.get_lr()),
                **self._train,
                **evaluated,
                "seconds": time.perf_counter() - self._began,
                "images_per_second": self.throughput.epoch_images_per_second,
            }
        )
        write_history(self.path, self.rows)


def write_history(path: Path, rows: list[Row]) -> None:
    """Write rows as CSV, six significant digits."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: f"{value:.6g}" for key, value in row.items()})
    write_atomically(path, text.getvalue().encode())
