"""Checkpoints: one safetensors file holds weights, optimizer and progress, and is replaced atomically.

One file means that weights and optimizer cannot come from different moments,
and nothing in it is ever unpickled. The tensors are named
``network.<layer>.<parameter>`` and ``optimizer.<layer>.<parameter>/<accumulator>``, and with
an average of the weights ``ema.<layer>.<parameter>``; the progress of the run is JSON in the file's header.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import paddle

from paddle_cifar.atomic import write_atomically
from paddle_cifar.errors import RunError

if TYPE_CHECKING:
    from paddle_cifar.callbacks.ema import WeightAverage


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint in memory: tensors by name, and the run's progress as plain JSON values."""

    tensors: dict[str, np.ndarray]
    progress: dict[str, Any]


def capture(
    network: paddle.nn.Layer,
    optimizer: paddle.optimizer.Optimizer,
    progress: dict[str, Any],
    average: WeightAverage | None = None,
) -> Checkpoint:
    """Copy the state of network, optimizer and average. ``progress`` must hold JSON values only."""
    weights = dict(network.state_dict())
    averaged = dict(average.average) if average is not None else {}
    if average is not None and average.swapped:  # in the middle of an evaluation
        weights, averaged = {**weights, **averaged}, {name: weights[name] for name in averaged}
    tensors = {f"network.{name}": value.numpy() for name, value in weights.items()}
    tensors.update({f"ema.{name}": value.numpy() for name, value in averaged.items()})
    state = optimizer.state_dict()
    scheduler = {key: float(value) for key, value in state.pop("LR_Scheduler", {}).items()}
    structured = {parameter.name: name for name, parameter in network.named_parameters()}
    for key, value in state.items():
        # Paddle's key is "<parameter's generated name>_<accumulator>_0". Generated names differ from
        # process to process, so the parameter's place in the network is stored instead.
        parameter = max((name for name in structured if key.startswith(name + "_")), key=len)
        accumulator = key[len(parameter) + 1 :]
        tensors[f"optimizer.{structured[parameter]}/{accumulator}"] = np.asarray(value.numpy())
    return Checkpoint(tensors, {**progress, "lr_scheduler": scheduler})


def evaluated(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint with the weights that evaluations use: their average where there is one."""
    averaged = {f"network.{name}": value for name, value in _part(checkpoint, "ema.").items()}
    return Checkpoint({**checkpoint.tensors, **averaged}, checkpoint.progress)


def _part(checkpoint: Checkpoint, prefix: str) -> dict[str, np.ndarray]:
    """The tensors whose names begin so, under the rest of their names."""
    tensors = checkpoint.tensors.items()
    return {name.removeprefix(prefix): value for name, value in tensors if name.startswith(prefix)}


def restore(
    checkpoint: Checkpoint,
    network: paddle.nn.Layer,
    optimizer: paddle.optimizer.Optimizer | None = None,
    average: WeightAverage | None = None,
) -> None:
    """Put a checkpoint's state into a network, and into its optimizer and average unless they are None.

    Raises RunError when the checkpoint is of another network, or of weights alone where training is to go on.
    """
    weights = _part(checkpoint, "network.")
    there = {name: _kind(value) for name, value in weights.items()}
    here = {name: _kind(value) for name, value in network.state_dict().items()}
    if there != here:
        different = sorted(name for name in there | here if there.get(name) != here.get(name))
        first, others = different[0], len(different) - 1
        raise RunError(
            f"the checkpoint is of another network or class count ({first} is {there.get(first, 'missing')} "
            f"there, {here.get(first, 'missing')} here; {others} more differ); "
            "choose the --model it was trained with"
        )
    network.set_state_dict(weights)
    if average is not None:
        average.restore(_part(checkpoint, "ema."))
    if optimizer is not None:
        optimizer.set_state_dict(_optimizer_state(checkpoint, network))


def _kind(tensor: np.ndarray | paddle.Tensor) -> str:
    """Shape and type in words, the same for numpy and Paddle: "[64, 3, 3, 3] float32"."""
    return f"{list(tensor.shape)} {str(tensor.dtype).removeprefix('paddle.')}"


def _optimizer_state(checkpoint: Checkpoint, network: paddle.nn.Layer) -> dict[str, Any]:
    """The optimizer's part under the names Paddle has generated in this process."""
    if "lr_scheduler" not in checkpoint.progress:  # packed weights, for one: no silently fresh optimizer
        raise RunError("the checkpoint holds weights alone; training goes on only with the optimizer's state")
    parameters = dict(network.named_parameters())
    state: dict[str, Any] = {}
    for key, value in _part(checkpoint, "optimizer.").items():
        name, _, accumulator = key.rpartition("/")
        # As large as its parameter, or a single number. What is missing Paddle finds at the first step.
        fits = name in parameters and value.size in (1, math.prod(parameters[name].shape))
        if not fits or value.dtype != np.float32:
            raise RunError(f"the checkpoint's optimizer state is of another network ({key}: {_kind(value)})")
        state[f"{parameters[name].name}_{accumulator}"] = paddle.to_tensor(value)
    scheduler = checkpoint.progress["lr_scheduler"]
    if scheduler != {}:  # a constant rate may be a mere number
        try:
            state["LR_Scheduler"] = {**scheduler, "last_epoch": int(scheduler["last_epoch"])}
            float(scheduler["last_lr"])
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"the checkpoint's rate schedule is not one ({scheduler})") from error
    return state


def save(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint so that ``path`` is at every moment either the old or the new one."""
    from safetensors.numpy import save as to_bytes

    progress = json.dumps(checkpoint.progress)
    metadata = {"progress": progress, "sha256": _digest(checkpoint.tensors, progress)}
    write_atomically(path, to_bytes(checkpoint.tensors, metadata=metadata))


def _digest(tensors: dict[str, np.ndarray], progress: str) -> str:
    """SHA-256 over everything a checkpoint holds: a flipped bit must not go on training."""
    digest = hashlib.sha256(progress.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tensor.shape}".encode())
        digest.update(np.ascontiguousarray(tensor))
    return digest.hexdigest()


def load_newest(paths: list[Path]) -> Checkpoint:
    """The first undamaged checkpoint of ``paths``, the newest first; damaged ones cost a warning.

    Raises RunError when there is none.
    """
    for path in paths:
        try:
            return load(path)
        except RunError as error:
            print(f"warning: {error}", file=sys.stderr)
    raise RunError("the run has no usable checkpoint; train again under another --name")


def load(path: Path) -> Checkpoint:
    """Read a checkpoint; RunError when it is missing or damaged."""
    from safetensors import safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a dict
            metadata = file.metadata() or {}
        if metadata.get("sha256") != _digest(tensors, metadata["progress"]):
            raise ValueError("its contents do not match their SHA-256")
        progress = json.loads(metadata["progress"])
        if not isinstance(progress, dict):
            raise ValueError("its progress is not a JSON object")
    except FileNotFoundError as error:
        raise RunError(f"no checkpoint at {path}") from error
    except Exception as error:  # safetensors, numpy and json raise a dozen kinds on damaged bytes
        reason = " ".join(f"{error} ({type(error).__name__})".split())[:160]
        raise RunError(f"checkpoint {path} is damaged: {reason}") from error
    return Checkpoint(tensors, progress)
