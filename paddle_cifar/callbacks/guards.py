"""Stop a run that has gone wrong before it does harm."""

from __future__ import annotations

import math
from typing import Any

import paddle

from paddle_cifar.callbacks.history import History
from paddle_cifar.errors import RunError


class StopOnNonFiniteLoss(paddle.callbacks.Callback):
    """Raise RunError at the first NaN or infinite loss, before anything of that epoch is saved."""

    def __init__(self, history: History) -> None:
        super().__init__()
        self.history = history

    def on_train_batch_end(self, step: int, logs: dict[str, Any] | None = None) -> None:
        """Look at the loss of the batch that just ended."""
        loss = float((logs or {})["loss"][0])
        if not math.isfinite(loss):
            raise RunError(
                f"the loss is {loss} at epoch {self.history.epoch + 1}, step {step + 1}; "
                "lower --lr, or add --warmup-epochs or --grad-clip"
            )
