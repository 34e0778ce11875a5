"""Leave the first layers as they are in the last epochs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import paddle
from paddle import nn

from paddle_cifar.callbacks.history import History


class FreezeFirstStage(paddle.callbacks.Callback):
    """Trains everything but ``layers`` from an epoch on: the way back through them is not computed.

    After FreezeOut (Brock et al. 2017, arXiv:1706.04983): what early layers do is settled first, and
    where a falling rate has nearly come to nothing, their last steps are not worth their time.
    Their norms still normalise by the batch, and the running statistics go on. A run that is resumed
    then saves no momentum of theirs any more: nothing needs it.

    Args:
        layers: those that are left as they are.
        history: knows the epoch.
        first_epoch: from this epoch on, counted from 0.
    """

    def __init__(self, layers: Sequence[nn.Layer], history: History, first_epoch: int) -> None:
        super().__init__()
        trained = [weight for layer in layers for weight in layer.parameters() if not weight.stop_gradient]
        self.trained, self.history, self.first_epoch = trained, history, first_epoch

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Freeze them when their time has come, in a resumed run too."""
        if self.history.epoch >= self.first_epoch:
            self._set_frozen(True)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Leave the network as it came."""
        self._set_frozen(False)

    def _set_frozen(self, frozen: bool) -> None:
        for weight in self.trained:
            weight.stop_gradient = frozen
            weight.clear_gradient(False)  # gone, not zero: momentum would still move it
