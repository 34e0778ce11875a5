"""Curves, histograms and pictures for ``visualdl --logdir outputs``."""

from __future__ import annotations

import contextlib
import io
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from paddle_cifar.callbacks.history import History
from paddle_cifar.optional import optional

HISTOGRAM_SAMPLES = 20_000  # values taken of each weight: enough for the shape, cheap for 11 million


class VisualDLLog(paddle.callbacks.Callback):
    """Writes vdl/ of a run.

    Every step that is a multiple of ``log_freq``: loss, rate, gradient norm of
    the last layer. Every epoch: the figures of history.csv in pairs, images/s,
    histograms of weights. Once: hyper-parameters, a grid of training images.

    VisualDL shows only the last file of a folder, so a resumed run appends to
    the same file, after cutting off what was logged later than its checkpoint.

    Args:
        folder: vdl/ of the run.
        history: the figures of each epoch.
        log_freq: steps between points of the step curves.
        hparams: settings to show side by side with those of other runs.
        images: uint8 (N, 3, 32, 32), drawn as a grid.
        resume_bytes: length of the log at the checkpoint that is resumed (0: a new run).
    """

    def __init__(
        self,
        folder: Path,
        history: History,
        log_freq: int,
        hparams: dict[str, Any],
        images: np.ndarray,
        resume_bytes: int = 0,
    ) -> None:
        super().__init__()
        self.folder, self.history, self.log_freq = folder, history, log_freq
        self.hparams, self.images, self.resume_bytes = hparams, images, resume_bytes
        self.file = folder / "vdlrecords.run.log"
        self._writer: Any = None
        self._gradient_norm: float | None = None
        self._wants_gradient = False

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Open the log, and write what is written once."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.file.exists():
            os.truncate(self.file, min(self.resume_bytes, self.file.stat().st_size))
        visualdl = optional("visualdl", "visualdl")  # imports much, so only here
        with contextlib.redirect_stdout(io.StringIO()):  # "is exists, VisualDL will add logs to it"
            self._writer = visualdl.LogWriter(logdir=str(self.folder), file_name=self.file.name)
        if not self.resume_bytes:
            # VisualDL accepts numbers and strings only.
            values = {
                key: value if type(value) in (int, float) else str(value)
                for key, value in self.hparams.items()
            }
            self._writer.add_hparams(values, [f"accuracy/{self.history.split}_top1"])
            self._writer.add_image("input/augmented", image_grid(self.images), step=0)
        last_weight = [p for p in self.model.network.parameters() if p.ndim > 1 and not p.stop_gradient][-1]
        last_weight.register_hook(self._keep_gradient_norm)

    def _keep_gradient_norm(self, gradient: paddle.Tensor) -> None:
        # paddle.Model clears gradients before on_train_batch_end, so the norm is taken while they pass.
        if self._wants_gradient:
            scaler = self.model._scaler  # fp16 only: the gradient is still multiplied by the loss scale
            scale = float(scaler._scale) if scaler is not None and scaler.is_enable() else 1.0
            self._gradient_norm = float(gradient.astype("float32").norm()) / scale

    def on_train_batch_begin(self, step: int, logs: dict[str, Any] | None = None) -> None:
        """Decide whether this step is logged."""
        self._wants_gradient = self.history.global_step % self.log_freq == 0

    def on_train_batch_end(self, step: int, logs: dict[str, Any] | None = None) -> None:
        """The step curves."""
        if not self._wants_gradient:
            return
        at = self.history.global_step - 1  # history has counted this step already
        self._writer.add_scalar("step/loss", float((logs or {})["loss"][0]), at)
        self._writer.add_scalar("step/lr", float(self.model._optimizer.get_lr()), at)
        if self._gradient_norm is not None and math.isfinite(self._gradient_norm):
            self._writer.add_scalar("step/last_layer_gradient_norm", self._gradient_norm, at)

    def on_eval_end(self, logs: dict[str, Any] | None = None) -> None:
        """The epoch curves, train and test side by side, and the histograms."""
        row, split = self.history.rows[-1], self.history.split
        epoch = int(row["epoch"])
        for part in ("train", split):
            self._writer.add_scalar(f"loss/{part}", row[f"{part}_loss"], epoch)
            for metric in ("top1", "top5", "coarse"):
                self._writer.add_scalar(f"accuracy/{part}_{metric}", row[f"{part}_acc_{metric}"], epoch)
        self._writer.add_scalar("speed/images_per_second", row["images_per_second"], epoch)
        for name, parameter in self.model.network.named_parameters():
            if parameter.ndim > 1:
                values = parameter.numpy().reshape(-1)
                values = values[:: max(1, len(values) // HISTOGRAM_SAMPLES)]
                if not np.isfinite(values).all():
                    continue  # has no histogram; Checkpoints, which comes next, stops the run
                self._writer.add_histogram(f"weights/{name}", values, epoch, buckets=30)

    def bytes_written(self) -> int:
        """Length of the log so far, to be stored in the checkpoint."""
        self._writer.flush()
        return self.file.stat().st_size

    def close(self) -> None:
        """End the log; needed after a failure too, since VisualDL's thread outlives an exception."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def image_grid(images: np.ndarray, columns: int = 8, gap: int = 2) -> np.ndarray:
    """Lay uint8 images (N, 3, H, W) out on a white sheet; returns uint8 (height, width, 3)."""
    count, _, height, width = images.shape
    rows = -(-count // columns)
    sheet = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), 255, np.uint8)
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        top, left = gap + row * (height + gap), gap + column * (width + gap)
        sheet[top : top + height, left : left + width] = image.transpose(1, 2, 0)
    return sheet
