"""Save the run after every epoch, and the best epoch by validation accuracy."""

from __future__ import annotations

from typing import Any

import paddle

from paddle_cifar import checkpoint
from paddle_cifar.callbacks.history import History
from paddle_cifar.runs import RunFolder


class Checkpoints(paddle.callbacks.Callback):
    """Writes checkpoints/last.safetensors each epoch and, with validation images, best.safetensors.

    Without them there is no best: choosing an epoch by its test accuracy would
    be training on the test set.

    Args:
        run: where to save.
        history: the rows so far; the newest one is saved as progress.
        patience: stop after this many epochs without a better validation accuracy (0: never).
        extra: called for further values to store: elapsed seconds and the like.
    """

    def __init__(self, run: RunFolder, history: History, patience: int, extra: Any) -> None:
        super().__init__()
        self.run, self.history, self.patience, self.extra = run, history, patience, extra

    def on_eval_end(self, logs: dict[str, Any] | None = None) -> None:
        """Save; stop the run when it has not improved for ``patience`` epochs."""
        rows = self.history.rows
        progress = {"epochs": len(rows), "rows": rows, **self.extra()}
        state = checkpoint.capture(self.model.network, self.model._optimizer, progress)
        best = best_epoch(rows) if self.history.split == "val" else 0
        if best == len(rows):
            checkpoint.save(state, self.run.checkpoint("best"))
        checkpoint.save(state, self.run.checkpoint("last"))
        if self.patience and len(rows) - best >= self.patience:
            print(f"no better validation accuracy for {self.patience} epochs: stopping", flush=True)
            self.model.stop_training = True


def best_epoch(rows: list[dict[str, float]]) -> int:
    """The epoch (from 1) of the highest validation accuracy, the earliest of equals."""
    accuracies = [row["val_acc_top1"] for row in rows]
    return accuracies.index(max(accuracies)) + 1
