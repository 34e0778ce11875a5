"""Files that are replaced as a whole: at every moment the old one or the new one. Needs no Paddle."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from pathlib import Path
from typing import Any

from paddle_cifar.errors import RunError


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write a dict as JSON, atomically; NaN, which JSON does not have, raises ValueError."""
    write_atomically(path, (json.dumps(values, indent=2, allow_nan=False) + "\n").encode())


def write_atomically(path: Path, data: bytes) -> None:
    """Write beside ``path``, flush to disk, then rename over it; leaves no temporary file on failure.

    Raises:
        RunError: when the disk is full, the folder read-only and the like.
    """
    temporary = temporary_of(path)
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())  # before the rename, or a power cut leaves the new name on an empty file
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise RunError(
            f"cannot write {path}: {error.strerror or error}; free some space or choose another place"
        ) from error
    finally:  # also on Ctrl-C; after the rename there is nothing left to remove
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def temporary_of(path: Path) -> Path:
    """Where ``path`` is written before it is renamed; a killed process leaves it behind."""
    return path.with_name(f".{path.name}.tmp")


def discard_temporaries(folder: Path) -> None:
    """Remove what killed processes left of their writing; only for a folder that nobody else writes to."""
    for left in folder.glob(temporary_of(Path("*")).name):
        with contextlib.suppress(OSError):
            left.unlink()


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut, where the system can.

    Windows cannot open folders, some network drives cannot flush them.
    """
    with contextlib.suppress(PermissionError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS):
                raise
        finally:
            os.close(descriptor)
