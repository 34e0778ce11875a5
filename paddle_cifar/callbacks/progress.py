"""What the user reads while a run goes on: a progress bar on a terminal, plain lines in a file."""

from __future__ import annotations

import shutil
import sys
import time
from typing import Any, TextIO

import paddle

from paddle_cifar.callbacks.history import History

BAR_WIDTH = 30
REDRAW_SECONDS = 0.2


class ProgressLog(paddle.callbacks.Callback):
    """Prints loss, accuracy, rate, speed and time left in the style of Paddle's own progress bar.

    Args:
        history: names the epoch and its figures.
        epochs: of the whole run.
        log_freq: steps between lines.
        stream: where to print (standard output).
    """

    def __init__(self, history: History, epochs: int, log_freq: int, stream: TextIO | None = None) -> None:
        super().__init__()
        self.history, self.epochs, self.log_freq = history, epochs, log_freq
        self.stream = stream or sys.stdout
        self.on_terminal = self.stream.isatty()
        self._began = 0.0  # of the first epoch of this process
        self._epoch_began = 0.0
        self._drawn = 0.0
        self._pixels_done = self._epoch_images = 0  # of this process

    def _print(self, text: str, end: str = "\n") -> None:
        print(text, end=end, file=self.stream, flush=True)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Announce the epoch."""
        self._epoch_began = time.perf_counter()
        self._began = self._began or self._epoch_began
        self._epoch_images = 0
        side = self.history.side(self.history.epoch)
        size = "" if side == self.history.side(self.epochs - 1) else f" on {side}x{side} pixels"
        self._print(f"Epoch {self.history.epoch + 1}/{self.epochs}{size}")

    def on_train_batch_end(self, step: int, logs: dict[str, Any] | None = None) -> None:
        """Redraw the bar on a terminal; elsewhere print a line every ``log_freq`` steps and at the last."""
        self._pixels_done += self.history.side(self.history.epoch) ** 2
        self._epoch_images += (logs or {})["batch_size"]
        done, steps = self.history.step, self.params["steps"]
        if self.on_terminal:
            if time.perf_counter() - self._drawn > REDRAW_SECONDS or done == steps:
                self._drawn = time.perf_counter()
                text = self._line(done, steps, logs or {}, bar=True)
                columns = shutil.get_terminal_size().columns
                if len(text) >= columns:  # a line that wraps cannot be redrawn
                    text = self._line(done, steps, logs or {})[: columns - 1]
                self._print("\r" + text.ljust(columns - 1), end="\n" if done == steps else "")
        elif done % self.log_freq == 0 or done == steps:
            self._print(self._line(done, steps, logs or {}))

    def _line(self, done: int, steps: int, logs: dict[str, Any], bar: bool = False) -> str:
        filled = BAR_WIDTH * done // steps
        speed = self._epoch_images / (time.perf_counter() - self._epoch_began)
        return (
            f"step {done:>{len(str(steps))}}/{steps}"
            + (f" [{('=' * filled + '>')[:BAR_WIDTH]:.<{BAR_WIDTH}}]" if bar else "")
            + f" - loss: {logs['mean_loss']:.4f} - acc_top1: {logs['acc_top1']:.4f}"
            + f" - lr: {self.model._optimizer.get_lr():.5f} - {speed:.0f} images/s"
            + f" - left {format_time(self._seconds_left(steps))}"
        )

    def _seconds_left(self, steps: int) -> float:
        """From the pace of this process so far, evaluations included; a step's time goes by its pixels."""
        elapsed = time.perf_counter() - self._began
        epoch, side = self.history.epoch, self.history.side
        whole_epochs = sum(side(number) ** 2 for number in range(epoch, self.epochs)) * steps
        return elapsed / self._pixels_done * (whole_epochs - side(epoch) ** 2 * self.history.step)

    def on_eval_end(self, logs: dict[str, Any] | None = None) -> None:
        """Sum the epoch up in one line."""
        row, split = self.history.rows[-1], self.history.split
        self._print(
            f"train loss {row['train_loss']:.4f} acc_top1 {row['train_acc_top1']:.4f}"
            f" | {split} loss {row[split + '_loss']:.4f} acc_top1 {row[split + '_acc_top1']:.4f}"
            f" acc_top5 {row[split + '_acc_top5']:.4f} | {row['seconds']:.0f} s"
        )


def format_time(seconds: float) -> str:
    """Seconds as h:mm:ss, or m:ss below an hour.

    >>> format_time(3725), format_time(65)
    ('1:02:05', '1:05')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
