"""The folder of a run, ``outputs/<name>/``, and where each file of it is. Needs no Paddle."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from paddle_cifar.atomic import temporary_of, write_atomically
from paddle_cifar.config import TrainConfig
from paddle_cifar.errors import RunError
from paddle_cifar.locking import HELD, hold

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
            raise RunError(f"no run at {path}; {_runs_in(path.parent)}")
        return cls(path)

    @property
    def config(self) -> Path:
        """Settings, written once the run is set up, before its first checkpoint."""
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
                hold(file)
            except OSError as error:
                if error.errno in HELD:
                    raise RunError(f"{self.path} is being trained by another process") from error
                warning = f"{self.path} cannot be locked ({error.strerror}): train it only once"
                print(f"warning: {warning}", file=sys.stderr)
            yield


def _runs_in(folder: Path) -> str:
    """Which runs there are, the newest first, in the words of an error."""
    configs = sorted(folder.glob("*/config.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    names = [path.parent.name for path in configs]
    if not names:
        return "give a folder below outputs/"
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return f"the runs in {folder}: {', '.join(names[:4])}{more}"
