"""What the processes of one run agree on before they train: folder, settings, and where to go on from.

The writer looks at the disk, the others are told: they may be on machines that do not see it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from paddle_cifar import distributed
from paddle_cifar.checkpoint import Checkpoint
from paddle_cifar.config import TrainConfig
from paddle_cifar.resuming import open_run
from paddle_cifar.runs import RunFolder


def open_together(config: TrainConfig, given: dict[str, Any]) -> tuple[RunFolder, TrainConfig, bool, bool]:
    """``open_run`` by the writer: folder, config, whether a run is resumed, whether it is finished."""

    def opened() -> list[Any]:
        run, opened_config, resumed = open_run(config, given)
        return [str(run.path), opened_config.to_json(), resumed, resumed and run.result.exists()]

    path, text, resumed, finished = distributed.from_writer(opened)
    return RunFolder(Path(path)), TrainConfig.from_json(text), resumed, finished


@contextlib.contextmanager
def held(run: RunFolder) -> Iterator[None]:
    """The writer holds the run against other commands."""
    with run.locked() if distributed.is_writer() else contextlib.nullcontext():
        yield


def load_together(load: Callable[[], Checkpoint]) -> Checkpoint:
    """The checkpoint that ``load`` reads in the writer, in every process."""
    if not distributed.several():
        return load()
    from safetensors.numpy import load as from_bytes
    from safetensors.numpy import save as to_bytes

    read: list[Checkpoint] = []

    def progress() -> dict[str, Any]:
        read.append(load())  # fails in here, if at all: then the others are told
        return read[0].progress

    told = distributed.from_writer(progress)
    tensors = from_bytes(distributed.bytes_from_writer(lambda: to_bytes(read[0].tensors)))
    return Checkpoint(tensors, told)
