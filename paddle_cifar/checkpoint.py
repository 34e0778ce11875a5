"""Checkpoints: one safetensors file holds weights, optimizer and progress, and is replaced atomically.

One file means that weights and optimizer cannot come from different moments,
and nothing in it is ever unpickled. The tensors are named
``network.<layer>.<parameter>`` and ``optimizer.<layer>.<parameter>/<accumulator>``, and with
an average of the weights ``ema.<layer>.<parameter>``; the progress of the run is JSON in the file's header.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import paddle

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

    Raises RunError when the checkpoint is of another network.
    """
    weights = _part(checkpoint, "network.")
    expected = network.state_dict()
    different = sorted(
        name
        for name in set(weights) | set(expected)
        if name not in weights
        or name not in expected
        or list(weights[name].shape) != list(expected[name].shape)
    )
    if different:
        raise RunError(
            f"the checkpoint is of another network or class count ({different[0]} and "
            f"{len(different) - 1} more differ); choose the --model it was trained with"
        )
    network.set_state_dict(weights)
    if average is not None:
        average.restore(_part(checkpoint, "ema."))
    if optimizer is None:
        return
    names = {name: parameter.name for name, parameter in network.named_parameters()}
    state: dict[str, Any] = {}
    for key, value in _part(checkpoint, "optimizer.").items():
        parameter, accumulator = key.rsplit("/", 1)
        state[f"{names[parameter]}_{accumulator}"] = paddle.to_tensor(value)
    scheduler = dict(checkpoint.progress["lr_scheduler"])
    if scheduler:
        scheduler["last_epoch"] = int(scheduler["last_epoch"])
        state["LR_Scheduler"] = scheduler
    optimizer.set_state_dict(state)


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
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a dict
            metadata = file.metadata() or {}
            progress = json.loads(metadata["progress"])
        if metadata.get("sha256") != _digest(tensors, metadata["progress"]):
            raise ValueError("its contents do not match their SHA-256")
    except FileNotFoundError as error:
        raise RunError(f"no checkpoint at {path}") from error
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise RunError(f"checkpoint {path} is damaged: {error}") from error
    return Checkpoint(tensors, progress)


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write a dict as JSON, atomically; NaN, which JSON does not have, raises ValueError."""
    write_atomically(path, (json.dumps(values, indent=2, allow_nan=False) + "\n").encode())


def write_atomically(path: Path, data: bytes) -> None:
    """Write beside ``path``, flush to disk, then rename over it; leaves no temporary file on failure."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise RunError(
            f"cannot write {path}: {error.strerror}; free some space or choose another --output"
        ) from error
    finally:  # also on Ctrl-C; after the rename there is nothing left to remove
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut, where the system can (Windows cannot open folders)."""
    with contextlib.suppress(PermissionError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
