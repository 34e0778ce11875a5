"""Lets one of the calls that change the disk fail, or kills the process in it."""

from __future__ import annotations

import builtins
import io
import os
import signal
import stat
from typing import Any

import pytest


class Faults:
    """Within ``with``: names every call in ``calls``, and strikes in the one with the index ``at``.

    Calls are "open" (to write), "write", "flush", "fsync", "fsync folder" and "replace". A struck write
    has written half of its data. Files whose path holds ``ignored`` are left alone.

    Args:
        at: index of the call to strike in; -1 counts only.
        error: number of the OSError that is raised; None kills the process (SIGKILL).
    """

    def __init__(self, at: int = -1, error: int | None = None, ignored: str = "/vdl/") -> None:
        self.at, self.error, self.ignored = at, error, ignored
        self.calls: list[str] = []
        self._patch = pytest.MonkeyPatch()

    def __enter__(self) -> Faults:
        real_open, real_fsync, real_replace = builtins.open, os.fsync, os.replace

        def open_(file: Any, mode: str = "r", *arguments: Any, **keywords: Any) -> Any:
            if not set(mode) & set("wax+") or self.ignored in str(file) or str(file) == os.devnull:
                return real_open(file, mode, *arguments, **keywords)
            self.reach("open")
            return _File(real_open(file, mode, *arguments, **keywords), self)

        def fsync(descriptor: int) -> None:
            self.reach("fsync folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "fsync")
            real_fsync(descriptor)

        def replace(source: Any, target: Any) -> None:
            self.reach("replace")
            real_replace(source, target)

        self._patch.setattr(builtins, "open", open_)
        self._patch.setattr(io, "open", open_)  # pathlib's
        self._patch.setattr(os, "fsync", fsync)
        self._patch.setattr(os, "replace", replace)
        return self

    def __exit__(self, *error: object) -> None:
        self._patch.undo()

    def due(self, call: str) -> bool:
        """Count a call; whether it is the one."""
        self.calls.append(call)
        return len(self.calls) - 1 == self.at

    def reach(self, call: str) -> None:
        """Count a call, and strike if it is the one."""
        if self.due(call):
            self.strike()

    def strike(self) -> None:
        """Fail, or die."""
        if self.error is None:
            os.kill(os.getpid(), signal.SIGKILL)
        raise OSError(self.error, os.strerror(self.error))


class _File:
    """A file open for writing whose calls are counted."""

    def __init__(self, file: Any, faults: Faults) -> None:
        self._file, self._faults = file, faults

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> _File:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def write(self, data: Any) -> int:
        if self._faults.due("write"):
            self._file.write(data[: len(data) // 2])
            self._file.flush()
            self._faults.strike()
        return self._file.write(data)

    def flush(self) -> None:
        self._faults.reach("flush")
        self._file.flush()
