"""Save the run: at its start, every so many steps, after every epoch, and when it is asked to stop."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
import paddle

from paddle_cifar import checkpoint, distributed
from paddle_cifar.atomic import discard_temporaries
from paddle_cifar.callbacks.ema import WeightAverage
from paddle_cifar.callbacks.history import History
from paddle_cifar.data.sizes import FULL_SIDE
from paddle_cifar.errors import RunError
from paddle_cifar.interrupts import Interrupted, StopSignals
from paddle_cifar.runs import RunFolder


class Checkpoints(paddle.callbacks.Callback):
    """Writes checkpoints/<step>.safetensors and, with a validation split, best.safetensors.

    Without one there is no best: choosing an epoch by its test accuracy would be
    training on the test set, and a fold's accuracy is an estimate only while nothing is chosen by it.

    Args:
        run: where to save.
        history: the position and figures of the run.
        stop: looked at after every batch.
        extra: called for further values to store: elapsed seconds and the like.
        save_steps: also save every so many training steps (0: only after each epoch).
        keep: how many of the newest checkpoints stay.
        patience: stop after this many epochs with full-sized images without a better validation
            accuracy (0: never).
        choose_best: keep the epoch of the highest validation accuracy among those with the largest images.
        average: saved too, if there is one.
    """

    def __init__(
        self,
        run: RunFolder,
        history: History,
        stop: StopSignals,
        extra: Callable[[], dict[str, Any]],
        save_steps: int = 0,
        keep: int = 2,
        patience: int = 0,
        choose_best: bool = False,
        average: WeightAverage | None = None,
    ) -> None:
        super().__init__()
        self.run, self.history, self.stop, self.extra = run, history, stop, extra
        self.save_steps, self.keep, self.patience = save_steps, keep, patience
        self.choose_best, self.average = choose_best, average
        self._finished = False

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """The first checkpoint comes before the first step, so that there is always one to go on from."""
        if distributed.is_writer():
            discard_temporaries(self.run.checkpoints)
        if not self.run.saved():
            self._save()

    def on_train_batch_end(self, step: int, logs: dict[str, Any] | None = None) -> None:
        """Comes after the rate scheduler's callback: what is saved is the state before the next step."""
        due = self.save_steps and self.history.global_step % self.save_steps == 0
        if due or self.stop.requested:
            self._save()
        self._leave_if_asked()

    def on_eval_batch_end(self, step: int, logs: dict[str, Any] | None = None) -> None:
        """An evaluation that is broken off is repeated when the run is resumed; the training is kept."""
        if self.stop.requested:
            self._save()
        self._leave_if_asked()

    def on_eval_end(self, logs: dict[str, Any] | None = None) -> None:
        """Save the epoch; end the run when it has not improved for ``patience`` epochs."""
        rows = self.history.rows
        best = best_epoch(rows, self.history.sides) if self.choose_best else 0
        # Not before images have their full size: accuracy rests on small ones, and then rises again.
        if self.patience and self.history.sides[-1] == FULL_SIDE and len(rows) - best >= self.patience:
            print(f"no better validation accuracy for {self.patience} epochs: stopping", flush=True)
            self.model.stop_training = self._finished = True
        self._save(is_best=best == len(rows))
        self._leave_if_asked()

    def _save(self, is_best: bool = False) -> None:
        progress = {**self.history.progress(), "finished": self._finished, **self.extra()}
        state = checkpoint.capture(self.model.network, self.model._optimizer, progress, self.average)
        self._refuse_ruined(state)
        if not distributed.is_writer():
            return
        if is_best:  # first: were the run killed after the other, a resume would not evaluate again
            checkpoint.save(state, self.run.best)
        newest = self.run.checkpoint(self.history.global_step)
        checkpoint.save(state, newest)
        # Later ones are damaged, or were counted in steps of another batch size.
        later = [path for path in self.run.saved() if path.name > newest.name]
        for old in [*later, *self.run.saved()[len(later) + self.keep :]]:
            with contextlib.suppress(OSError):  # Windows, while a virus scanner looks at it
                old.unlink()

    def _refuse_ruined(self, state: checkpoint.Checkpoint) -> None:
        """Never replace a good checkpoint by NaN. The loss does not always tell: ReLU turns NaN into 0."""
        for name, tensor in state.tensors.items():
            if tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
                where = f"epoch {self.history.epoch + 1}, step {self.history.step}"
                raise RunError(
                    f"{name} is no longer finite at {where}; lower --lr and --resume or start again"
                )

    def _leave_if_asked(self) -> None:
        if self.stop.requested:
            where = f"epoch {self.history.epoch + 1}, step {self.history.step}"
            again = "the same command and --resume auto"
            if not distributed.several():
                again = f"python main.py --resume {self.run.path}"
            raise Interrupted(self.stop.requested, f"stopped at {where}, saved; go on with: {again}")


def best_epoch(rows: list[dict[str, float]], sides: list[int]) -> int:
    """The epoch (from 1) of the highest validation accuracy, the earliest of equals.

    Held-out images are as small as the training images of their epoch, ``sides`` pixels: an epoch
    with larger ones, which is nearer to the test, is better than any with smaller ones.
    """
    ranks = [(side, row["val_acc_top1"]) for side, row in zip(sides, rows, strict=True)]
    return ranks.index(max(ranks)) + 1
