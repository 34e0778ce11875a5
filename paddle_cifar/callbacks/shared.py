"""Figures of all processes, and one decision to stop."""

from __future__ import annotations

import hashlib
import signal
import sys
from typing import Any

import numpy as np
import paddle

from paddle_cifar import distributed
from paddle_cifar.interrupts import StopSignals
from paddle_cifar.metrics import figures, metric_states, restore_metrics

SIGNALS = (int(signal.SIGINT), int(signal.SIGTERM))


class SharedFigures(paddle.callbacks.Callback):
    """Turns what a process measured on its part of the batches into what all of them measured.

    After a training step the metrics go on counting from the sums over all processes, and
    ``logs`` has their values, the mean loss and the whole batch's size; after an evaluation ``logs`` has
    those of all images. So it must be the first callback: the others see the same figures in every
    process, and decide alike. One small message a step, which also carries signals to stop.

    After each evaluation the weights are compared: they must be the same bits everywhere.

    Args:
        stop: the signals this process was sent; those of all become its ``requested``.
    """

    def __init__(self, stop: StopSignals | None = None) -> None:
        super().__init__()
        self.stop = stop
        self._before = np.zeros(0)
        self._evaluated = np.zeros(0)

    def on_train_batch_begin(self, step: int, logs: dict[str, Any] | None = None) -> None:
        """Remember what has been counted, which is the same in every process."""
        self._before = self._counts()

    def on_train_batch_end(self, step: int, logs: dict[str, Any] | None = None) -> None:
        """Add up what the processes counted in this step."""
        logs = logs if logs is not None else {}
        own, images = self._counts() - self._before, logs["batch_size"]
        loss, images, *rest = distributed.total(
            [float(logs["loss"][0]) * images, images, *self._signals(), *own]
        )
        self._agree(rest[: len(SIGNALS)])
        self._set_figures(self._before + rest[len(SIGNALS) :], logs)
        logs["loss"], logs["batch_size"] = [loss / images], int(images)

    def on_eval_batch_end(self, step: int, logs: dict[str, Any] | None = None) -> None:
        """Remember the counts: ``paddle.Model`` forgets them before ``on_eval_end``."""
        self._evaluated = self._counts()

    def on_eval_end(self, logs: dict[str, Any] | None = None) -> None:
        """Add up what the processes counted in the evaluation, and compare their weights."""
        digest = self._digest()
        digests, *rest = distributed.total([digest, *self._signals(), *self._evaluated])
        if digests != digest * distributed.RANKS:
            print(
                "warning: the weights of the processes are no longer the same, as happens between processors "
                "of different kinds; the writer's are saved",
                file=sys.stderr,
            )
        self._agree(rest[: len(SIGNALS)])
        counting = self._counts()
        self._set_figures(np.array(rest[len(SIGNALS) :]), logs if logs is not None else {})
        self._restore(counting)

    def _counts(self) -> np.ndarray:
        """Everything the metrics have counted so far, one number after the other."""
        states = metric_states(self.model._metrics)
        return np.concatenate([np.ravel(state) for pair in states for state in pair])

    def _restore(self, counts: np.ndarray) -> None:
        states, at = [], 0
        for pair in metric_states(self.model._metrics):
            parts = []
            for state in pair:
                size = np.size(state)
                parts.append(counts[at : at + size].reshape(np.shape(state)).tolist())
                at += size
            states.append((parts[0], parts[1]))
        restore_metrics(self.model._metrics, states)

    def _set_figures(self, counts: np.ndarray, logs: dict[str, Any]) -> None:
        self._restore(counts)
        logs.update(figures(self.model._metrics))

    def _signals(self) -> list[float]:
        return [float(self.stop is not None and self.stop.noted == number) for number in SIGNALS]

    def _agree(self, counts: list[float]) -> None:
        sent = [number for number, count in zip(SIGNALS, counts, strict=True) if count]
        if self.stop is not None and sent:
            self.stop.requested = sent[0]

    def _digest(self) -> float:
        """48 bits of the weights' SHA-256: sums over up to 32 processes are exact in float64."""
        digest = hashlib.sha256()
        for value in self.model.network.state_dict().values():
            digest.update(np.ascontiguousarray(value.numpy()))
        return float(int.from_bytes(digest.digest()[:6], "big"))


def shared_figures(stop: StopSignals | None = None) -> list[paddle.callbacks.Callback]:
    """The callbacks to put first; none with one process."""
    return [SharedFigures(stop)] if distributed.several() else []
