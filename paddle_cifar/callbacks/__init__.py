"""Callbacks for ``paddle.Model.fit``: one job each, in the order in which ``fit`` must call them.

``paddle.Model`` evaluates after ``on_epoch_end`` and reuses one ``logs`` dict
for training and evaluation, so an epoch is complete only in ``on_eval_end``;
``History`` assembles it there, and those after it read ``history.rows[-1]``.
``fit`` also counts from zero in every process: the position is ``history.epoch``
and ``history.step``, never the arguments of a callback.
"""

from paddle_cifar.callbacks.checkpoints import Checkpoints
from paddle_cifar.callbacks.ema import WeightAverage
from paddle_cifar.callbacks.freeze import FreezeFirstStage
from paddle_cifar.callbacks.guards import SkipNonFiniteLoss, StopOnNonFiniteLoss
from paddle_cifar.callbacks.history import History
from paddle_cifar.callbacks.progress import ProgressLog
from paddle_cifar.callbacks.shared import SharedFigures, shared_figures
from paddle_cifar.callbacks.throughput import Throughput
from paddle_cifar.callbacks.visualdl import VisualDLLog

__all__ = [
    "Checkpoints",
    "FreezeFirstStage",
    "History",
    "ProgressLog",
    "SharedFigures",
    "SkipNonFiniteLoss",
    "StopOnNonFiniteLoss",
    "Throughput",
    "VisualDLLog",
    "WeightAverage",
    "shared_figures",
]
