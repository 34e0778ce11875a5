"""What the network answered for each training image when it saw it last: targets for self-distillation."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F

from paddle_cifar.data.labels import FINE_NAMES
from paddle_cifar.data.loader import BatchLoader
from paddle_cifar.errors import RunError


class PastAnswers(paddle.callbacks.Callback):
    """Remembers the probabilities of every training image; those of a batch count once its step is made.

    Kim et al. 2021, arXiv:2006.12000: an image's target is its label, mixed with the answer of the epoch
    before. The answer's share grows in proportion to the epoch: the network is believed as it learns.

    Must be called before checkpoints are written.

    Args:
        loader: the training batches; integer labels, in a single process.
        share: of the answers after the last epoch, 0 to below 1 (0.8 in the paper).
        epochs: of the run.
    """

    def __init__(self, loader: BatchLoader, share: float, epochs: int) -> None:
        super().__init__()
        self.loader, self.full_share, self.epochs = loader, share, epochs
        # (images, classes); an image that has not been seen yet is answered by its label.
        self.table = np.eye(len(FINE_NAMES), dtype=np.float16)[loader.labels]
        self._new: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def share(self) -> float:
        """Of the answers in the targets of the loader's epoch."""
        return self.full_share * self.loader.given_epoch / self.epochs

    def answers(self) -> paddle.Tensor:
        """Probabilities (N, classes) of the images in the batch that the loader has given last."""
        return paddle.to_tensor(self.table[self.loader.given].astype(np.float32))

    def note(self, logits: paddle.Tensor) -> None:
        """Take the answers (N, classes) of that batch; a second pass over it changes nothing."""
        if self._new is None:
            self._new = self.loader.given, F.softmax(logits.detach()).numpy()

    def restore(self, table: np.ndarray) -> None:
        """Go on from a stored table; RunError for one of other images."""
        if table.shape != self.table.shape or table.dtype != self.table.dtype:
            there, here = (f"{list(each.shape)} {each.dtype}" for each in (table, self.table))
            raise RunError(f"the checkpoint's past answers are of other images ({there} there, {here} here)")
        self.table = table.copy()

    def on_train_batch_end(self, step: int, logs: dict[str, Any] | None = None) -> None:
        """The step is made. What is not finite was skipped, and is forgotten."""
        if self._new is not None and np.isfinite(self._new[1]).all():
            self.table[self._new[0]] = self._new[1]
        self._new = None
