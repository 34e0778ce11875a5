"""The page's temporary files: in a folder of their own, removed after ten minutes and at the end."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from paddle_cifar.locking import hold

PREFIX = "paddle-cifar-demo-"
LOCK = ".lock"
KEPT_SECONDS = 600


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A new folder where Gradio, once it is imported, puts its files; those of pages that were killed go."""
    remove_abandoned(Path(tempfile.gettempdir()))
    with (
        tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as folder,
        open(Path(folder) / LOCK, "w") as lock,
    ):
        with suppress(OSError):  # a drive without locks
            hold(lock)
        os.environ["GRADIO_TEMP_DIR"] = folder
        yield Path(folder)


def remove_abandoned(place: Path) -> None:
    """Remove the folders below ``place`` whose page does not run any more."""
    for path in place.glob(f"{PREFIX}*/{LOCK}"):
        with suppress(OSError):  # held by a page that runs, or another user's
            with open(path, "r+") as lock:
                hold(lock)
            shutil.rmtree(path.parent, ignore_errors=True)


def remove_old(folder: Path, kept: Collection[Path], seconds: float = KEPT_SECONDS) -> None:
    """Remove all files below ``folder`` that are older, but for those ``kept``.

    Not Gradio's own ``delete_cache``: that ends for good when an upload comes while it
    works, and does not know of uploads that were broken off.
    """
    for path in list(folder.rglob("*")):
        with suppress(OSError):  # gone already, or (on Windows) being read
            if path not in kept and path.is_file() and time.time() - path.stat().st_mtime > seconds:
                path.unlink()
