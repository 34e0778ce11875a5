"""A trained network, of a run or pretrained, ready to evaluate or predict with."""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass
from typing import Any

import paddle

from paddle_cifar import checkpoint
from paddle_cifar.config import TrainConfig
from paddle_cifar.environment import choose_device
from paddle_cifar.models import build_network
from paddle_cifar.precision import choose_arithmetic
from paddle_cifar.runs import RunFolder


@dataclass(frozen=True, eq=False)
class Trained:
    """The network, ``which`` checkpoint it was loaded from ("best", "last" or "packaged"), saved after
    how many ``epochs``, and what runs it: ``engine``, ``precision``, and ``arithmetic``, a line with
    both and why.
    """

    network: paddle.nn.Layer
    which: str
    epochs: int
    engine: str
    precision: str
    arithmetic: str


def used_here(trained_as: TrainConfig, overrides: dict[str, Any]) -> TrainConfig:
    """The config to use a trained network with: as it was trained, but for ``overrides``.

    What it was told to compute with may be lacking here, as bf16 is on many machines; then this
    machine's own choice is taken. Paddle's kernels and float32 are everywhere.
    """
    engine = "paddle" if trained_as.engine == "paddle" else "auto"
    precision = "float32" if trained_as.precision == "float32" else "auto"
    return dataclasses.replace(trained_as, **{"engine": engine, "precision": precision, **overrides})


def load_trained(run: RunFolder, config: TrainConfig) -> Trained:
    """Load a run's weights: the best checkpoint where held-out images chose one, else the newest.

    Of a run that averages its weights, the average.

    Args:
        run: outputs/<run>.
        config: the run's own config, changed where and how it shall run now.

    Raises:
        RunError: without weights, or with those of another network or class count.
    """
    state, which = best_or_last(run, config)
    return ready(checkpoint.evaluated(state), config, which)


def best_or_last(run: RunFolder, config: TrainConfig) -> tuple[checkpoint.Checkpoint, str]:
    """The checkpoint that counts, and which it is: "best" or "last"."""
    if config.val_split:
        return checkpoint.load(run.best), "best"
    return checkpoint.load_newest(run.saved()), "last"


def ready(state: checkpoint.Checkpoint, config: TrainConfig, which: str) -> Trained:
    """Put weights into a network, set up for the device that ``config`` asks for.

    Raises:
        RunError: for weights of another network or class count.
    """
    device, notes = choose_device(config.device)
    for note in notes:
        print(f"warning: {note}", file=sys.stderr)
    network = build_network(config.model, config.stem)
    checkpoint.restore(state, network)
    engine, precision, arithmetic = choose_arithmetic(
        network, device, config.engine, config.precision, scaled_loss=not config.sam_rho
    )
    return Trained(network, which, int(state.progress["epochs"]), engine, precision, arithmetic)
