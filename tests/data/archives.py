"""Small archives for the tests, whole, odd and damaged, and what to expect of them."""

import gzip
import io
import pickle
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest

from paddle_cifar.data.archive import Archive, Split, read_archive
from paddle_cifar.data.labels import COARSE_NAMES, FINE_NAMES, FINE_TO_COARSE
from paddle_cifar.errors import RunError


def small_split(count: int, seed: int) -> Split:
    rng = np.random.default_rng(seed)
    fine = rng.integers(0, 100, count)
    images = rng.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)
    return Split(images, fine, np.array(FINE_TO_COARSE)[fine], [f"image_s_{i:06d}.png" for i in range(count)])


def small_archive() -> Archive:
    return Archive(small_split(12, seed=0), small_split(5, seed=1))


def contents_of(split: Split) -> dict[bytes, object]:
    return {
        b"filenames": split.filenames,
        b"fine_labels": split.fine_labels.tolist(),
        b"coarse_labels": split.coarse_labels.tolist(),
        b"data": split.images.reshape(-1, 3072),
    }


def meta_contents() -> dict[bytes, object]:
    return {b"fine_label_names": list(FINE_NAMES), b"coarse_label_names": list(COARSE_NAMES)}


def good_members(protocol: int = 4) -> dict[str, bytes]:
    archive = small_archive()
    parts = {"meta": meta_contents(), "test": contents_of(archive.test), "train": contents_of(archive.train)}
    return {f"cifar-100-python/{name}": pickle.dumps(part, protocol) for name, part in parts.items()}


def tar_bytes(members: list[tuple[str | tarfile.TarInfo, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for member, data in members:
            if isinstance(member, str):
                member = tarfile.TarInfo(member)
                member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def packed(path: Path, members: dict[str, bytes] | list) -> Path:
    members = list(members.items()) if isinstance(members, dict) else members
    path.write_bytes(gzip.compress(tar_bytes(members), 1))
    return path


def with_train(path: Path, **changes) -> Path:
    """An archive whose train member has ``changes``; None removes a key."""
    contents = contents_of(small_archive().train) | {key.encode(): value for key, value in changes.items()}
    kept = {key: value for key, value in contents.items() if value is not None}
    return packed(path, good_members() | {"cifar-100-python/train": pickle.dumps(kept)})


def python2_pickle(value: object) -> bytes:
    """``value`` as Python 2's cPickle with protocol 2 writes it: text and raw bytes alike are str."""
    return b"\x80\x02" + _python2(value) + b"."


def _python2(value: object) -> bytes:
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        short = len(value) < 256
        return (b"U" + bytes([len(value)]) if short else b"T" + struct.pack("<i", len(value))) + value
    if isinstance(value, int):
        return b"J" + struct.pack("<i", value)
    if isinstance(value, list):
        return b"](" + b"".join(map(_python2, value)) + b"e"
    if isinstance(value, dict):
        return b"}(" + b"".join(_python2(part) for pair in value.items() for part in pair) + b"u"
    assert isinstance(value, np.ndarray)
    kind = b"cnumpy\ndtype\n" + _python2(value.dtype.str[1:]) + b"K\x00K\x01\x87R"
    kind += b"(K\x03" + _python2(value.dtype.str[0]) + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    shape = b"(" + b"".join(map(_python2, value.shape)) + b"t"
    empty = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    return empty + b"(K\x01" + shape + kind + b"\x89" + _python2(value.tobytes()) + b"tb"


def assert_same(read: Archive, expected: Archive) -> None:
    for name in ("train", "test"):
        ours, theirs = getattr(read, name), getattr(expected, name)
        assert ours.images.dtype == np.uint8 and ours.images.flags.c_contiguous
        assert ours.fine_labels.dtype == ours.coarse_labels.dtype == np.int64
        assert np.array_equal(ours.images, theirs.images)
        assert np.array_equal(ours.fine_labels, theirs.fine_labels)
        assert np.array_equal(ours.coarse_labels, theirs.coarse_labels)
        assert ours.filenames == theirs.filenames
    assert tuple(read.fine_names) == FINE_NAMES and tuple(read.coarse_names) == COARSE_NAMES


def refusal(path: Path) -> str:
    """The one-line message with which ``path`` is refused."""
    with pytest.raises(RunError) as caught:
        read_archive(path)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 600
    assert str(path) in message and caught.value.exit_code == 1
    return message
