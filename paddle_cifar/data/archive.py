"""Reads and writes the published ``cifar-100-python.tar.gz``; the reader trusts nothing in it."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import pickle
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from paddle_cifar.data.labels import COARSE_NAMES, FINE_NAMES, FINE_TO_COARSE
from paddle_cifar.data.members import GunzipReader, unpickled_members
from paddle_cifar.errors import RunError, unknown_name

FOLDER = "cifar-100-python"
SPLITS = ("train", "test")
ADVICE = "delete it and download again, or pass --data-file"


@dataclass(frozen=True, eq=False)
class Split:
    """One half of CIFAR-100. Arrays that were read are read-only: nothing can alter the data set in place.

    ``images``: uint8 (N, 3, 32, 32), planes R, G, B, C-contiguous; ``fine_labels``: int64 (N,) in 0-99;
    ``coarse_labels``: int64 (N,) in 0-19; ``filenames``: N names.
    """

    images: np.ndarray
    fine_labels: np.ndarray
    coarse_labels: np.ndarray
    filenames: list[str]


@dataclass(frozen=True, eq=False)
class Archive:
    """What an archive holds. A split that was not asked for is None.

    ``sha256`` is the hex hash of the file itself ("" for an archive that is not from a file);
    ``warnings`` are lines to show the user about whatever had to be made up.
    """

    train: Split | None
    test: Split | None
    fine_names: tuple[str, ...] = FINE_NAMES
    coarse_names: tuple[str, ...] = COARSE_NAMES
    sha256: str = ""
    warnings: tuple[str, ...] = ()


def read_archive(path: str | os.PathLike[str], splits: Sequence[str] = SPLITS) -> Archive:
    """Read ``splits`` of the archive at ``path`` in one pass; 1.5 s for the published file on two cores.

    Raises a one-line ``RunError`` for a file that is missing, damaged, hostile or not CIFAR-100.
    """
    for name in splits:
        if name not in SPLITS:
            raise unknown_name("split", name, SPLITS)
    path = Path(path)
    if path.is_dir():
        raise RunError(
            f"{path} is a directory; give the {FOLDER}.tar.gz itself, for instance with --data-file"
        )
    meta, wanted = f"{FOLDER}/meta", {name: f"{FOLDER}/{name}" for name in splits}
    warnings: list[str] = []
    try:
        with open(path, "rb") as file, contextlib.closing(GunzipReader(file)) as stream:
            members = dict(unpickled_members(stream, {meta, *wanted.values()}, ignore_damage={meta}))
            sha256 = stream.finish()
        fine_names, coarse_names = _class_names(members.get(meta, {}), warnings)
        read = {name: _split(member, members.pop(member, None), warnings) for name, member in wanted.items()}
    except RunError as error:
        raise RunError(f"{path}: {error}; {ADVICE}") from error
    except (FileNotFoundError, PermissionError) as error:
        raise RunError(
            f"cannot read {path}: {error.strerror}; pass --data-file, or download again"
        ) from error
    except Exception as error:  # gzip, tar, pickle and numpy raise a dozen kinds on damaged bytes
        reason = " ".join(f"{error} ({type(error).__name__})".split())[:160]
        raise RunError(f"{path} is corrupt: {reason}; {ADVICE}") from error
    return Archive(read.get("train"), read.get("test"), fine_names, coarse_names, sha256, tuple(warnings))


def _class_names(meta: dict[str, Any], warnings: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    fine = _texts(meta.get("fine_label_names"), count=100)
    coarse = _texts(meta.get("coarse_label_names"), count=20)
    if fine is None or coarse is None:
        warnings.append(f"{FOLDER}/meta is missing or damaged; using the built-in class names")
        return FINE_NAMES, COARSE_NAMES
    return tuple(fine), tuple(coarse)


def _split(member: str, contents: dict[str, Any] | None, warnings: list[str]) -> Split:
    if contents is None:
        raise RunError(f"it is corrupt or not CIFAR-100: the member {member} is missing")
    pixels = contents.get("data")
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[1:] != (3072,):
        found = f"{pixels.dtype} {pixels.shape}" if isinstance(pixels, np.ndarray) else type(pixels).__name__
        raise RunError(f"the pixels of {member} are not uint8 (N, 3072) but {found}")
    count = len(pixels)
    if count == 0:
        raise RunError(f"{member} holds no images")
    fine_labels = _labels(member, "fine_labels", contents.get("fine_labels"), count, limit=100)
    if "coarse_labels" in contents:
        coarse_labels = _labels(member, "coarse_labels", contents["coarse_labels"], count, limit=20)
    else:
        warnings.append(f"{member} has no coarse labels; deriving them from the fine ones")
        coarse_labels = np.array(FINE_TO_COARSE, dtype=np.int64)[fine_labels]
        coarse_labels.setflags(write=False)
    filenames = _texts(contents.get("filenames"), count)
    if filenames is None:
        warnings.append(f"{member} has no usable file names; numbering the images")
        filenames = [f"{index:05d}.png" for index in range(count)]
    images = np.ascontiguousarray(pixels).reshape(count, 3, 32, 32)
    images.setflags(write=False)
    return Split(images, fine_labels, coarse_labels, filenames)


def _labels(member: str, key: str, values: object, count: int, limit: int) -> np.ndarray:
    """``values`` as int64 (count,); RunError names the first index outside 0 to ``limit`` - 1."""
    if isinstance(values, np.ndarray) and values.ndim == 1:
        values = values.tolist()
    if not isinstance(values, list):
        raise RunError(f"{member} has no {key}")
    if len(values) != count:
        raise RunError(f"{member} has {count} images but {len(values)} {key}")
    for index, value in enumerate(values):
        if type(value) is not int or not 0 <= value < limit:
            shown = str(value)[:20] if type(value) is int else type(value).__name__
            raise RunError(f"{key}[{index}] of {member} is {shown}, not an integer in 0-{limit - 1}")
    labels = np.array(values, dtype=np.int64)
    labels.setflags(write=False)
    return labels


def _texts(values: object, count: int) -> list[str] | None:
    """``values`` as ``count`` printable names, or None if they are not."""
    if not isinstance(values, list) or len(values) != count:
        return None
    if not all(isinstance(value, bytes | str) for value in values):
        return None
    names = [value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in values]
    # A name ends up in terminals and reports, so no control characters.
    return names if all(name.isprintable() for name in names) else None


def write_archive(path: str | os.PathLike[str], archive: Archive) -> Path:
    """Write ``archive`` so that ``read_archive`` and Paddle's own ``Cifar100(data_file=path)`` read it.

    Both splits must be there, else RunError. The bytes depend on the contents only, not on time or user.
    """
    path = Path(path)
    members: dict[str, dict[bytes, object]] = {
        "meta": {
            b"fine_label_names": list(archive.fine_names),
            b"coarse_label_names": list(archive.coarse_names),
        }
    }
    for name, split in (("test", archive.test), ("train", archive.train)):  # the published order
        if split is None:
            raise RunError(f"cannot write {path}: the archive has no {name} split")
        members[name] = {
            b"filenames": split.filenames,
            b"batch_label": b"",
            b"fine_labels": split.fine_labels.tolist(),
            b"coarse_labels": split.coarse_labels.tolist(),
            b"data": split.images.reshape(len(split.images), 3072),
        }
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with (
            open(temporary, "wb") as file,
            gzip.GzipFile("", "wb", compresslevel=1, fileobj=file, mtime=0) as compressed,
            tarfile.open(fileobj=compressed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
        ):
            for name, contents in members.items():
                data = pickle.dumps(contents, protocol=4)
                member = tarfile.TarInfo(f"{FOLDER}/{name}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
        os.replace(temporary, path)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return path
