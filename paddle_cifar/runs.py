"""The folder of a run, ``outputs/<name>/``: opened fresh, or gone on with. Needs no Paddle."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paddle_cifar.atomic import temporary_of, write_atomically
from paddle_cifar.config import TrainConfig
from paddle_cifar.errors import RunError, UsageError

# Fields that say where and how to run, not what is trained: they may differ when a run is resumed.
MACHINE_FIELDS = frozenset(
    "allow_changes data_file debug device keep log_freq name output resume save_steps threads tta".split()
)


@dataclass(frozen=True)
class RunFolder:
    """Where each file of a run is."""

    path: Path

    def write_config(self, config: TrainConfig) -> None:
        """Write config.json; RunError when that fails. Of a run that exists, only while it is ``locked``."""
        write_atomically(self.config, config.to_json().encode())

    @classmethod
    def existing(cls, path: Path) -> RunFolder:
        """The run in a folder that must be there; RunError when it is not."""
        if not path.is_dir():
            raise RunError(f"no run at {path}; give a folder below outputs/")
        return cls(path)

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

    def checkpoint(self, step: int) -> Path:
        """Where the checkpoint after so many training steps is."""
        return self.checkpoints / f"{step:08d}.safetensors"

    def saved(self) -> list[Path]:
        """Checkpoints to go on from, the newest first."""
        paths = self.checkpoints.glob("*.safetensors")
        return sorted((path for path in paths if path.stem.isdigit()), reverse=True)

    def unfinished(self) -> bool:
        """Whether there is a checkpoint to go on from and no result yet."""
        return bool(self.saved()) and not self.result.exists()

    def discard_unstarted(self) -> None:
        """Remove the folder of a run that failed before its first checkpoint; any other is left alone."""
        temporary = temporary_of(self.config)
        unstarted = {"config.json", temporary.name, "checkpoints", ".lock"}
        if not {path.name for path in self.path.iterdir()} - unstarted:
            with contextlib.suppress(OSError):  # checkpoints/ is not empty
                self.checkpoints.rmdir()
                for path in (self.config, temporary, self.path / ".lock"):
                    path.unlink(missing_ok=True)
                self.path.rmdir()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run against a second process; the system lets go of it however this one ends."""
        try:
            file = open(self.path / ".lock", "w")  # noqa: SIM115  closed below
        except OSError as error:
            raise RunError(
                f"cannot write to {self.path} ({error.strerror}); choose another --output"
            ) from error
        with file:
            try:
                if os.name == "nt":
                    import msvcrt

                    msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
                else:
                    import fcntl

                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise RunError(f"{self.path} is being trained by another process") from error
            yield


def resumed_run(config: TrainConfig, given: dict[str, Any]) -> tuple[RunFolder, TrainConfig] | None:
    """The run that ``--resume`` means and the config to go on with; None when a new run is to be started.

    Args:
        config: the settings asked for.
        given: the fields the user set explicitly; only these can contradict the run's own.

    Raises:
        RunError: when there is no such run, or it was started with other settings.
    """
    if given.get("name") and config.resume not in ("", "auto", "newest"):
        raise UsageError(f"--resume {config.resume} names the run already; leave out --name")
    run = _run_to_resume(config)
    if run is None:
        return None
    saved = TrainConfig.read(run.config)
    changed = _changes(saved, given)
    if changed and run.result.exists():
        raise RunError(
            f"{run.path} has finished its {saved.epochs} epochs and is not trained further; "
            "start a new run under another --name"
        )
    if changed and not config.allow_changes:
        raise RunError(
            f"{run.path} was started with other settings ({'; '.join(changed)}); "
            "leave them out to resume, or add --allow-changes"
        )
    return run, dataclasses.replace(saved, **given)


def open_run(config: TrainConfig, given: dict[str, Any]) -> tuple[RunFolder, TrainConfig, bool]:
    """The folder to train in, the config to train with, and whether an earlier run is resumed.

    Raises RunError also when the folder cannot be written or holds another run.
    """
    try:
        resumed = resumed_run(config, given)
        if resumed is None:
            if config.resume == "auto":
                print("nothing to resume: starting a new run")
            return _new_run(config), config, False
        return *resumed, True
    except OSError as error:
        where = error.filename or config.output
        raise RunError(f"cannot write to {where} ({error.strerror}); choose another --output") from error


def _changes(saved: TrainConfig, given: dict[str, Any]) -> list[str]:
    return [
        f"--{name.replace('_', '-')} was {getattr(saved, name)}, now {value}"
        for name, value in given.items()
        if name not in MACHINE_FIELDS and value != getattr(saved, name)
    ]


def _run_to_resume(config: TrainConfig) -> RunFolder | None:
    if not config.resume:
        return None
    if config.resume not in ("auto", "newest"):
        return RunFolder(Path(config.resume))
    output = Path(config.output)
    if config.name:
        run = RunFolder(output / config.name)
        # One asked for by name may be finished already: then there is nothing left to do.
        if run.saved() or run.result.exists():
            return run
        if config.resume == "newest":
            raise RunError(
                f"nothing to resume in {run.path}; start it without --resume, or with --resume auto"
            )
        return None
    if config.resume == "newest" and not output.is_dir():
        raise RunError(f"nothing to resume: there is no folder {output}")
    folders = [path for path in output.glob("*") if path.is_dir()]
    folders.sort(key=lambda path: path.stat().st_mtime)
    unfinished = [run for run in map(RunFolder, folders) if run.unfinished()]
    if config.resume == "newest" and not unfinished:
        raise RunError(f"no unfinished run in {output}; start one without --resume, or with --resume auto")
    return unfinished[-1] if unfinished else None


def _new_run(config: TrainConfig) -> RunFolder:
    data = "-synthetic" if config.dataset == "synthetic" else ""
    name = config.name or f"{config.model}-{config.recipe}{data}-{time.strftime('%Y%m%d-%H%M%S')}"
    run = RunFolder(Path(config.output) / name)
    if run.path.is_dir():
        # What a run leaves that was stopped before its first checkpoint is no reason to refuse.
        leftovers = {"config.json", temporary_of(run.config).name, "checkpoints", "vdl", ".lock"}
        if run.saved() or run.result.exists() or {path.name for path in run.path.iterdir()} - leftovers:
            raise RunError(
                f"{run.path} already holds a run; add --resume {run.path} to go on, or choose another --name"
            )
    run.checkpoints.mkdir(parents=True, exist_ok=True)
    run.write_config(config)
    return run
