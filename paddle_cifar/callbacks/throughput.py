"""How fast training steps are, input and logging left out."""

from __future__ import annotations

import time
from typing import Any

import paddle

WARMUP_STEPS = 5  # the first steps of a process allocate memory and choose kernels


class Throughput(paddle.callbacks.Callback):
    """Counts images and seconds of training steps, without the first five of the process.

    Args:
        images, seconds: counts of an earlier process that this one continues.
    """

    def __init__(self, images: int = 0, seconds: float = 0.0) -> None:
        super().__init__()
        self.images, self.seconds = images, seconds
        self._steps = 0
        self._began = 0.0
        self._epoch_start = (images, seconds)

    @property
    def images_per_second(self) -> float:
        """Over all counted steps; 0 before the sixth step."""
        return self.images / self.seconds if self.seconds else 0.0

    @property
    def epoch_images_per_second(self) -> float:
        """Over the counted steps of the current epoch."""
        images, seconds = self._epoch_start
        return (self.images - images) / (self.seconds - seconds) if self.seconds > seconds else 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Remember where the epoch starts."""
        self._epoch_start = (self.images, self.seconds)

    def on_train_batch_begin(self, step: int, logs: dict[str, Any] | None = None) -> None:
        """Called with the batch at hand: the input pipeline's time is over."""
        self._began = time.perf_counter()

    def on_train_batch_end(self, step: int, logs: dict[str, Any] | None = None) -> None:
        """Called with the loss at hand, so that a GPU has finished the step too."""
        self._steps += 1
        if self._steps > WARMUP_STEPS:
            self.seconds += time.perf_counter() - self._began
            self.images += (logs or {})["batch_size"]
