"""What happens at a NaN or infinite loss: the run stops, or leaves the step out."""

from __future__ import annotations

import math
from typing import Any

import paddle

from paddle_cifar import distributed
from paddle_cifar.callbacks.history import History
from paddle_cifar.errors import RunError
from paddle_cifar.metrics import figures, metric_states, restore_metrics
from paddle_cifar.optim.shared import untrained

SKIPS_LIMIT = 20  # steps skipped in a row after which there is no hope


class StopOnNonFiniteLoss(paddle.callbacks.Callback):
    """Raise RunError at the first NaN or infinite loss, before anything of that step is saved."""

    def __init__(self, history: History) -> None:
        super().__init__()
        self.history = history

    def on_train_batch_end(self, step: int, logs: dict[str, Any] | None = None) -> None:
        """Look at the loss of the batch that just ended; history has not counted it yet."""
        loss = float((logs or {})["loss"][0])
        if not math.isfinite(loss):
            raise RunError(
                f"the loss is {loss} at epoch {self.history.epoch + 1}, step {self.history.step + 1}; "
                "lower --lr, or add --warmup-epochs or --grad-clip"
            )

    def on_eval_end(self, logs: dict[str, Any] | None = None) -> None:
        """RunError here too: the training loss comes before the update, so its effect shows only now."""
        loss = float((logs or {})["mean_loss"])
        if not math.isfinite(loss):
            raise RunError(
                f"the loss is {loss} in the evaluation after epoch {self.history.epoch + 1}; lower --lr"
            )


class SkipNonFiniteLoss(StopOnNonFiniteLoss):
    """Leave out a step whose loss is not finite: no update, norm statistics and metrics as before."""

    def __init__(self, history: History) -> None:
        super().__init__(history)
        self.skipped_in_a_row = 0
        self._before: tuple[list[tuple[paddle.Tensor, paddle.Tensor]], list] = ([], [])

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Put a guard before the optimizer's update, which happens before callbacks see the loss."""
        optimizer = self.model._optimizer
        update = optimizer.minimize

        def update_if_finite(loss: paddle.Tensor) -> tuple[Any, Any]:
            # Of all processes: they share their gradients in the update, so all must come to it or none.
            if math.isfinite(distributed.total([float(loss)])[0]):
                return update(loss)
            return None, None  # what Paddle's loss scaler takes apart

        optimizer.minimize = update_if_finite

    def on_train_batch_begin(self, step: int, logs: dict[str, Any] | None = None) -> None:
        """Remember what a forward pass changes besides the loss."""
        statistics = [(value, value.clone()) for value in untrained(self.model.network)]
        self._before = (statistics, metric_states(self.model._metrics))

    def on_train_batch_end(self, step: int, logs: dict[str, Any] | None = None) -> None:
        """Put everything back; after too many such steps in a row, stop after all."""
        logs = logs or {}
        loss = float(logs["loss"][0])
        self.skipped_in_a_row = 0 if math.isfinite(loss) else self.skipped_in_a_row + 1
        if not self.skipped_in_a_row:
            return
        if self.skipped_in_a_row > SKIPS_LIMIT:
            super().on_train_batch_end(step, logs)
        statistics, metrics = self._before
        for statistic, value in statistics:
            statistic.set_value(value)
        restore_metrics(self.model._metrics, metrics)
        logs.update(figures(self.model._metrics))  # filled before the metrics were put back
        where = f"epoch {self.history.epoch + 1}, step {self.history.step + 1}"
        print(f"warning: the loss is {loss} at {where}: step left out", flush=True)
