"""Pretrained weights as one small file: packed from a run, and read where no ``--run`` is given.

The file is a checkpoint (see ``checkpoint.py``) of weights alone, those of convolutions and
matrices as float16. In its header stand the config, the training command, the SHA-256 of the
data, and the scores of these very weights on the test images.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from paddle_cifar import checkpoint
from paddle_cifar.config import TrainConfig
from paddle_cifar.errors import RunError
from paddle_cifar.evaluation import evaluate_trained
from paddle_cifar.report.paths import without_folders
from paddle_cifar.runs import MACHINE_FIELDS, RunFolder
from paddle_cifar.trained import Trained, best_or_last, ready, used_here

PACKAGED = Path(__file__).parents[1] / "weights" / "cifar100.safetensors"
MAX_BYTES = 6_000_000
HEADER_BYTES = 100_000  # more than the file's header takes


def pack_run(folder: Path, to: Path, overrides: dict[str, Any]) -> dict[str, Any]:
    """Write a run's weights, half as large, to ``to``, with what they are and how good they are.

    Args:
        folder: outputs/<run>.
        to: the file to write; only replaced once everything has succeeded.
        overrides: config fields to replace: data_file, device, batch_size, threads, limit_steps.

    Returns:
        What the file says about itself: config, command, epochs, checkpoint, and the evaluation
        of these very weights, with the data's SHA-256.

    Raises:
        RunError: without weights or data, when a weight does not fit into float16, or the file is too large.
    """
    run = RunFolder(folder)
    trained_as = TrainConfig.read(run.config)
    if not to.parent.is_dir():
        raise RunError(f"there is no folder {to.parent}; make it first")
    state, which = best_or_last(run, trained_as)
    weights = {
        name: _halved(name, value)
        for name, value in checkpoint.evaluated(state).tensors.items()
        if name.startswith("network.")
    }
    size = sum(value.nbytes for value in weights.values()) + HEADER_BYTES
    if size > MAX_BYTES:
        raise RunError(
            f"the weights of {trained_as.model} take {size / 1e6:.1f} MB, more than {MAX_BYTES / 1e6:g} MB; "
            "pack a smaller network"
        )
    facts = {
        "config": dataclasses.asdict(_anywhere(trained_as)),
        "command": _command(run),
        "epochs": int(state.progress["epochs"]),
        "checkpoint": which,
    }
    packed = checkpoint.Checkpoint(weights, facts)
    now = used_here(trained_as, {"limit_steps": 0, "tta": "none", **overrides})
    facts["evaluation"] = evaluate_trained(ready(_full(packed), now, which), now)[0]
    checkpoint.save(packed, to)
    return facts


def read_packed(path: Path) -> tuple[checkpoint.Checkpoint, TrainConfig]:
    """Weights in float32, with the file's facts as their progress, and the config they were trained with.

    Raises:
        RunError: when there is no such file, or it is damaged.
    """
    if not path.exists():
        raise RunError(
            f"no pretrained weights ({path.parent.name}/{path.name}) in this installation; "
            "name a trained run with --run outputs/<run>"
        )
    packed = checkpoint.load(path)
    try:
        return _full(packed), TrainConfig.from_json(json.dumps(packed.progress["config"]))
    except (KeyError, RunError) as error:
        raise RunError(f"{path} holds no pretrained weights: {error}") from error


def load_pretrained(overrides: dict[str, Any]) -> tuple[Trained, TrainConfig]:
    """The pretrained network and the config it runs with.

    Args:
        overrides: config fields to replace: data_file, device, engine, precision, batch_size, threads, tta.
    """
    packed, trained_as = read_packed(PACKAGED)
    config = used_here(trained_as, overrides)
    return ready(packed, config, "packaged"), config


def evaluate_pretrained(overrides: dict[str, Any]) -> dict[str, Any]:
    """As ``evaluation.evaluate_run``, of the pretrained weights; nothing is stored."""
    trained, config = load_pretrained({"limit_steps": 0, **overrides})
    return evaluate_trained(trained, config)[0]


def _halved(name: str, value: np.ndarray) -> np.ndarray:
    """Kernels and matrices as float16. Vectors (norms, biases) are few, and variances may be tiny."""
    if value.ndim < 2 or value.dtype != np.float32:
        return value
    with np.errstate(over="ignore"):
        half = value.astype(np.float16)
    if not np.isfinite(half).all():
        raise RunError(f"{name.removeprefix('network.')} holds weights that do not fit into float16")
    return half


def _full(packed: checkpoint.Checkpoint) -> checkpoint.Checkpoint:
    tensors = packed.tensors.items()
    whole = {
        name: value.astype(np.float32) if value.dtype == np.float16 else value for name, value in tensors
    }
    return checkpoint.Checkpoint(whole, packed.progress)


def _anywhere(config: TrainConfig) -> TrainConfig:
    """The config without what is of one machine, such as paths."""
    fields = {field.name: field.default for field in dataclasses.fields(config)}
    return dataclasses.replace(config, **{name: fields[name] for name in MACHINE_FIELDS})


def _command(run: RunFolder) -> str:
    """The command the run was trained with, without folders; empty where result.json does not tell."""
    try:
        return without_folders(str(json.loads(run.result.read_text(encoding="utf-8"))["command"]))
    except (OSError, ValueError, KeyError, TypeError):
        return ""
