"""The record of a run: where it is, and its figures, a row an epoch, in memory and in history.csv."""

from __future__ import annotations

import csv
import io
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from paddle_cifar import distributed
from paddle_cifar.atomic import write_atomically
from paddle_cifar.callbacks.throughput import Throughput
from paddle_cifar.data.loader import BatchLoader
from paddle_cifar.errors import RunError
from paddle_cifar.metrics import metric_states, restore_metrics

Row = dict[str, float]
METRICS = {"mean_loss": "loss", "acc_top1": "acc_top1", "acc_top5": "acc_top5", "acc_coarse": "acc_coarse"}


class History(paddle.callbacks.Callback):
    """Knows the position in the run, sets each step's randomness, and records each epoch's figures.

    ``paddle.Model.fit`` counts epochs and steps from zero in every process;
    ``epoch`` (from 0) and ``step`` (steps done in that epoch) here go on where a
    resumed run was saved, even within an epoch. Other callbacks read them.

    Columns of a row: epoch (from 1), lr, train_*, then val_* or test_*
    (fractions, nats), seconds of the epoch with its evaluation, and
    images_per_second of its training steps.

    ``sides`` are the pixels a side of each row's images.

    Args:
        path: history.csv.
        loader: the training batches, told where to start.
        eval_loader: those evaluated after each epoch, told which one it is.
        throughput: measures the steps.
        split: what the evaluation in ``fit`` sees, "val" or "test".
        seed: of the run.
        progress: what :meth:`progress` returned when the resumed run was saved.
    """

    def __init__(
        self,
        path: Path,
        loader: BatchLoader,
        eval_loader: BatchLoader,
        throughput: Throughput,
        split: str = "test",
        seed: int = 0,
        progress: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.path, self.throughput = path, throughput
        self.loader, self.eval_loader = loader, eval_loader
        self.split, self.seed = split, seed
        progress = progress or {}
        self.rows: list[Row] = list(progress.get("rows", []))
        # Of each row's images; asked of the loader they would be those of today's --sizes and --epochs.
        self.sides: list[int] = progress.get("sides") or [self.side(epoch) for epoch in range(self.epoch)]
        self.step: int = progress.get("step", 0)
        self._train: Row = progress.get("train", {})
        self._metrics: list | None = progress.get("metrics")
        self._earlier_seconds: float = progress.get("epoch_seconds", 0.0)
        self._began = 0.0
        loader.set_epoch(self.epoch, self.step)

    @property
    def epoch(self) -> int:
        """The epoch that is being trained or evaluated, from 0."""
        return len(self.rows)

    @property
    def global_step(self) -> int:
        """Training steps done since the run began."""
        return self.epoch * len(self.loader) + self.step

    def side(self, epoch: int) -> int:
        """The side of the images in an epoch, in pixels."""
        return self.loader.side(epoch)

    def progress(self) -> dict[str, Any]:
        """The position as JSON values, for a checkpoint."""
        training = self.step < len(self.loader)
        return {
            "epochs": self.epoch,
            "step": self.step,
            "steps": len(self.loader),
            "rows": self.rows,
            "sides": self.sides,
            "metrics": metric_states(self.model._metrics) if self.step and training else None,
            "train": {} if training else self._train,
            "epoch_seconds": self._epoch_seconds() if self.step else 0.0,
        }

    def _epoch_seconds(self) -> float:
        return self._earlier_seconds + time.perf_counter() - self._began

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Go on counting in the middle of an epoch."""
        if self._metrics:
            restore_metrics(self.model._metrics, self._metrics)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Tell the loaders which epoch to draw, and from where."""
        self.loader.set_epoch(self.epoch, self.step)
        self.eval_loader.set_epoch(self.epoch)
        self._began = time.perf_counter()

    def on_train_batch_begin(self, step: int, logs: dict[str, Any] | None = None) -> None:
        """Dropout and the like follow from (seed, epoch, step) alone, as order and augmentation do.

        And from the process, where there are several; numpy gives rank 0 what it gives without a rank.
        """
        entropy = np.random.SeedSequence((self.seed, self.epoch, self.step, distributed.RANK))
        paddle.seed(int(entropy.generate_state(1)[0]))

    def on_train_batch_end(self, step: int, logs: dict[str, Any] | None = None) -> None:
        """Count the step; the last one completes the epoch's training figures."""
        self.step += 1
        if self.step == len(self.loader):
            # Here, not in on_epoch_end: fit overwrites logs in the evaluation that follows.
            # And before the scheduler's callback: the rate of this step, not of the next one.
            figures = {f"train_{column}": float((logs or {})[key]) for key, column in METRICS.items()}
            self._train = {"lr": float(self.model._optimizer.get_lr()), **figures}

    def on_eval_end(self, logs: dict[str, Any] | None = None) -> None:
        """Complete the row, rewrite history.csv, and stand at the beginning of the next epoch."""
        evaluated = {f"{self.split}_{column}": float((logs or {})[key]) for key, column in METRICS.items()}
        self.rows.append(
            {
                "epoch": self.epoch + 1,
                **self._train,
                **evaluated,
                "seconds": self._epoch_seconds(),
                "images_per_second": self.throughput.epoch_images_per_second,
            }
        )
        self.sides.append(self.side(self.epoch - 1))
        self.step, self._train, self._earlier_seconds = 0, {}, 0.0
        if not distributed.is_writer():
            return
        try:
            write_history(self.path, self.rows)
        except RunError as error:  # open in a spreadsheet, perhaps; the checkpoint holds the rows too
            print(f"warning: {error}", file=sys.stderr)


def write_history(path: Path, rows: list[Row]) -> None:
    """Write rows as CSV, six significant digits."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: f"{value:.6g}" for key, value in row.items()})
    write_atomically(path, text.getvalue().encode())
