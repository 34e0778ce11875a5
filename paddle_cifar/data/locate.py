"""Finds the CIFAR-100 archive: where the user says, where it usually lies, or by downloading it."""

from __future__ import annotations

import os
from pathlib import Path

from paddle_cifar.data.download import WAYS_TO_SUPPLY
from paddle_cifar.data.download import download as fetch
from paddle_cifar.errors import RunError

ARCHIVE_NAME = "cifar-100-python.tar.gz"
VARIABLE = "CIFAR100_FILE"
STAND_IN = "to try the program without it: python main.py --dataset synthetic --recipe quick"


def find_archive(data_file: str | os.PathLike[str] | None = None, download: bool = True) -> Path:
    """The path of ``cifar-100-python.tar.gz``; never swaps in anything else.

    In this order: ``data_file``, $CIFAR100_FILE, ./data/, AI Studio's mounted ~/data/data*/
    (data76994 first), Paddle's cache, a download into that cache (unless ``download`` is False).
    A file named by the first two must exist: a typing error there never falls through.

    Raises ``RunError`` with the ways to supply the file.
    """
    if data_file is not None:
        return _named_file(data_file, "--data-file")
    if os.environ.get(VARIABLE):
        return _named_file(os.environ[VARIABLE], VARIABLE)
    usual = usual_places()
    cached = usual[-1]
    for path in usual:
        if os.path.isfile(path):  # unlike Path.is_file, False in a folder we may not enter
            return path
    if not download:
        looked = f"./data, ~/data/data*, {cached.parent}"
        raise RunError(f"no {ARCHIVE_NAME} in {looked}; {WAYS_TO_SUPPLY}; {STAND_IN}")
    try:
        return fetch(cached)
    except RunError as error:
        raise RunError(f"{error}; {STAND_IN}") from error


def usual_places() -> list[Path]:
    """Where the archive may lie, in the order of the search; the last one is where a download goes.

    Of AI Studio's mounted data sets only those that hold the archive.
    """
    cached = Path.home() / ".cache" / "paddle" / "dataset" / "cifar" / ARCHIVE_NAME
    return [Path("data") / ARCHIVE_NAME, *_mounted_by_ai_studio(), cached]


def _named_file(path: str | os.PathLike[str], source: str) -> Path:
    try:
        path = Path(path).expanduser()
        if path.is_dir():
            raise RunError(f"{source} names {path}, which is a directory; name the {ARCHIVE_NAME} itself")
        path.stat()
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no such user as in ~user
        reason = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read ({error})"
        raise RunError(
            f"{source} names {path}, which {reason}; correct it, or drop it to download"
        ) from error
    return path


def _mounted_by_ai_studio() -> list[Path]:
    """Archives in the data sets mounted at ~/data/data<N>; data76994 is CIFAR-100."""
    found = (Path.home() / "data").glob(f"data*/{ARCHIVE_NAME}")
    return sorted(found, key=lambda path: (path.parent.name != "data76994", path.parent.name))
