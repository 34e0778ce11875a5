"""A run's trained network, ready to evaluate or predict with."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import paddle

from paddle_cifar import checkpoint
from paddle_cifar.config import TrainConfig
from paddle_cifar.environment import choose_device
from paddle_cifar.models import build_network
from paddle_cifar.precision import choose_arithmetic
from paddle_cifar.runs import RunFolder


@dataclass(frozen=True, eq=False)
class Trained:
    """The network, ``which`` checkpoint it was loaded from ("best" or "last"), saved after how many
    ``epochs``, and what runs it: ``engine``, ``precision``, and ``arithmetic``, a line with both and why.
    """

    network: paddle.nn.Layer
    which: str
    epochs: int
    engine: str
    precision: str
    arithmetic: str


def load_trained(run: RunFolder, config: TrainConfig) -> Trained:
    """Load a run's weights: the best checkpoint where held-out images chose one, else the newest.

    Of a run that averages its weights, the average.

    Args:
        run: outputs/<run>.
        config: the run's own config, changed where and how it shall run now.

    Raises:
        RunError: without weights, or with those of another network or class count.
    """
    state = checkpoint.load(run.best) if config.val_split else checkpoint.load_newest(run.saved())
    device, notes = choose_device(config.device)
    for note in notes:
        print(f"warning: {note}", file=sys.stderr)
    network = build_network(config.model, config.stem)
    checkpoint.restore(checkpoint.evaluated(state), network)
    engine, precision, arithmetic = choose_arithmetic(network, device, config.engine, config.precision)
    which = "best" if config.val_split else "last"
    return Trained(network, which, int(state.progress["epochs"]), engine, precision, arithmetic)
