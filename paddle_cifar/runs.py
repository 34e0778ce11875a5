"""The folder of a run, ``outputs/<name>/``: opened fresh, or gone on with."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paddle_cifar import checkpoint
from paddle_cifar.config import TrainConfig
from paddle_cifar.errors import RunError

# Fields that say where and how to run, not what is trained: they may differ when a run is resumed.
MACHINE_FIELDS = frozenset(
    "allow_changes data_file debug device keep log_freq name output resume save_steps threads".split()
)


@dataclass(frozen=True)
class RunFolder:
    """Where each file of a run is."""

    path: Path

    @property
    def config(self) -> Path:
        """Settings, written first."""
        return self.path / "config.json"

    @property
    def history(self) -> Path:
        """A row an epoch."""
        return self.path / "history.csv"

    @property
    def result(self) -> Path:
        """The outcome, written last: its presence says that the run is finished."""
        return self.path / "result.json"

    @property
    def vdl(self) -> Path:
        """VisualDL's logs."""
        return self.path / "vdl"

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints: <training step>.safetensors, and best.safetensors."""
        return self.path / "checkpoints"

    @property
    def best(self) -> Path:
        """The epoch that did best on held-out images, where there are any."""
        return self.checkpoints / "best.safetensors"

    def discard_unstarted(self) -> None:
        """Remove the folder of a run that failed before its first step; any other folder is left alone."""
        if {path.name for path in self.path.iterdir()} == {"config.json", "checkpoints"}:
            with contextlib.suppress(OSError):  # checkpoints/ is not empty
                self.checkpoints.rmdir()
                self.config.unlink()
                self.path.rmdir()

    @property
    def unfinished(self) -> bool:
        """Whether there is a checkpoint to go on from and no result yet."""
        return bool(checkpoint.numbered(self.checkpoints)) and not self.result.exists()


def open_run(config: TrainConfig, given: dict[str, Any]) -> tuple[RunFolder, TrainConfig, bool]:
    """The folder to train in, the config to train with, and whether an earlier run is resumed.

    Args:
        config: the settings asked for.
        given: the fields the user set explicitly; only these can contradict a resumed run.

    Raises:
        RunError: when the folder cannot be written, holds another run, or holds other settings.
    """
    run = _run_to_resume(config)
    if run is None:
        return _new_run(config), config, False
    saved = TrainConfig.read(run.config)
    changed = [
        f"--{name.replace('_', '-')} was {getattr(saved, name)}, now {value}"
        for name, value in given.items()
        if name not in MACHINE_FIELDS and value != getattr(saved, name)
    ]
    if changed and not config.allow_changes:
        raise RunError(
            f"{run.path} was started with other settings ({'; '.join(changed)}); "
            "leave them out to resume, or add --allow-changes"
        )
    resumed = dataclasses.replace(saved, **given)
    if changed:  # a changed network is noticed when the weights do not fit
        run.config.write_text(resumed.to_json(), encoding="utf-8")
    return run, resumed, True


def _run_to_resume(config: TrainConfig) -> RunFolder | None:
    if not config.resume:
        return None
    if config.resume != "auto":
        run = RunFolder(Path(config.resume))
        if not run.config.exists():
            raise RunError(
                f"--resume {run.path}: no config.json there; give the folder of a run, outputs/<name>"
            )
        return run
    output = Path(config.output)
    folders = (
        [output / config.name] if config.name else sorted(output.glob("*/"), key=lambda p: p.stat().st_mtime)
    )
    runs = [RunFolder(folder) for folder in folders]
    # A run asked for by name may be finished already: then there is nothing left to do.
    candidates = [run for run in runs if run.unfinished or (config.name and run.result.exists())]
    return candidates[-1] if candidates else None


def _new_run(config: TrainConfig) -> RunFolder:
    name = config.name or f"{config.model}-{config.recipe}-{time.strftime('%Y%m%d-%H%M%S')}"
    run = RunFolder(Path(config.output) / name)
    # "auto" starts over a folder in which nothing was finished, not even an epoch.
    restarts = config.resume == "auto" and run.config.exists() and not checkpoint.numbered(run.checkpoints)
    if run.path.is_dir() and any(run.path.iterdir()) and not restarts:
        raise RunError(
            f"{run.path} already holds a run; add --resume {run.path} to go on, or choose another --name"
        )
    try:
        run.checkpoints.mkdir(parents=True, exist_ok=True)
        run.config.write_text(config.to_json(), encoding="utf-8")
    except OSError as error:
        raise RunError(f"cannot write to {run.path} ({error.strerror}); choose another --output") from error
    return run
