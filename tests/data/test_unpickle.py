"""Pickles of other Pythons and numpys, and hostile ones (case 4): refused, and nothing runs."""

import pickle
import struct
import time

import numpy as np
import pytest

from paddle_cifar.data import unpickle as unpickle_module
from paddle_cifar.data.archive import read_archive
from tests.data.archives import (
    assert_same,
    contents_of,
    good_members,
    meta_contents,
    packed,
    python2_pickle,
    refusal,
    small_archive,
    with_train,
)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("text_keys", [False, True])
def test_pickles_of_python_3(tmp_path, protocol, text_keys):
    members = good_members(protocol)
    if text_keys:
        decoded = {name: pickle.loads(data) for name, data in members.items()}
        members = {
            name: pickle.dumps({key.decode(): value for key, value in contents.items()}, protocol)
            for name, contents in decoded.items()
        }
    assert_same(read_archive(packed(tmp_path / "a.tar.gz", members)), small_archive())


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_pickles_of_numpy_1(tmp_path, protocol):
    members = {
        name: data.replace(b"numpy._core", b"numpy.core") for name, data in good_members(protocol).items()
    }
    if protocol > 2:  # the name's length stands before it, and the frame's before that
        members = {
            name: data.replace(b"\x8c\x16numpy.core", b"\x8c\x15numpy.core") for name, data in members.items()
        }
        members = {
            name: data.replace(b"\x8c\x13numpy.core", b"\x8c\x12numpy.core") for name, data in members.items()
        }
    assert all(b"_core" not in data for data in members.values())
    assert_same(read_archive(packed(tmp_path / "a.tar.gz", members)), small_archive())


def test_pickles_of_python_2(tmp_path):
    archive = small_archive()
    parts = {"meta": meta_contents(), "test": contents_of(archive.test), "train": contents_of(archive.train)}
    members = {f"cifar-100-python/{name}": python2_pickle(part) for name, part in parts.items()}
    train = members["cifar-100-python/train"]
    assert np.array_equal(
        pickle.loads(train, encoding="bytes")[b"data"], parts["train"][b"data"]
    )  # the builder
    assert_same(read_archive(packed(tmp_path / "a.tar.gz", members)), archive)


def test_fortran_order_and_label_arrays(tmp_path):
    train = small_archive().train
    path = with_train(
        tmp_path / "a.tar.gz",
        data=np.asfortranarray(train.images.reshape(-1, 3072)),
        fine_labels=train.fine_labels.astype(">i4"),
    )
    assert_same(read_archive(path), small_archive())


# -- case 4: pickles that run code ---------------------------------------------------------


def text(value: str) -> bytes:
    return b"\x8c" + bytes([len(value.encode())]) + value.encode()


def call(module: str, name: str, *arguments: bytes) -> bytes:
    return b"\x80\x04" + text(module) + text(name) + b"\x93(" + b"".join(arguments) + b"tR."


NDARRAY = b"cnumpy\nndarray\n"
ENCODE = b"c_codecs\nencode\n"
DTYPE = b"cnumpy\ndtype\n"
U1 = DTYPE + text("u1") + b"\x89\x88\x87R"
RECONSTRUCT = b"cnumpy._core.multiarray\n_reconstruct\n"
EMPTY_ARRAY = RECONSTRUCT + NDARRAY + b"K\x00\x85C\x01b\x87R"


def hostile_pickles(canary: str) -> dict[str, bytes]:
    python = f"open({canary!r}, 'w').close()"
    shell = f"touch {canary}"
    pair_of_itself = [b"q%ch%c\x86" % (i, i) for i in range(27)]  # memo i, get it, pair the two
    return {
        "os.system": call("os", "system", text(shell)),
        "posix.system": call("posix", "system", text(shell)),
        "exec": call("builtins", "exec", text(python)),
        "python 2 exec": b"\x80\x02c__builtin__\nexec\n" + text(python) + b"\x85R.",
        "eval in protocol 0": b"cbuiltins\nexec\n(V" + python.encode() + b"\ntR.",
        "INST": b"(" + b"X" + struct.pack("<I", len(python)) + python.encode() + b"ibuiltins\nexec\n.",
        "OBJ": b"(cbuiltins\nexec\n" + text(python) + b"o.",
        "runstring": call("numpy.testing._private.utils", "runstring", text(python), b"}"),
        "numpy load": call("numpy", "load", text(canary)),
        "getattr": call("builtins", "getattr", NDARRAY, text("tofile")),
        "dotted name": call("numpy", "ndarray.tofile", text(canary)),
        "dotted module": call("numpy.core.multiarray", "_reconstruct.__globals__", text("x")),
        "numpy scalar": call("numpy._core.multiarray", "scalar", U1, b"C\x01a"),
        "copyreg": call("copyreg", "_reconstructor", NDARRAY, NDARRAY, b"N"),
        "NEWOBJ": b"\x80\x04" + DTYPE + text("u1") + b"\x85\x81.",
        "persistent id": b"\x80\x04" + text("x") + b"Q.",
        "extension": b"\x80\x02\x82\x01.",
        "next buffer": b"\x80\x05\x97.",
        # the admitted names, abused
        "array of a foreign class": b"\x80\x04" + RECONSTRUCT + DTYPE + b"K\x00\x85C\x01b\x87R.",
        "array of a pretended class": b"\x80\x04" + RECONSTRUCT + text("ndarray") + b"K\x00\x85C\x01b\x87R.",
        "object array": b"\x80\x04" + DTYPE + text("O8") + b"\x89\x88\x87R.",
        "object array by state": b"\x80\x04" + U1 + b"(K\x03" + text("O") + b"NNNJ\0\0\0\0J\0\0\0\0K\x3ftb.",
        "record dtype": b"\x80\x04"
        + U1
        + b"(K\x03"
        + text("|")
        + b"N"
        + text("a")
        + b"\x85}J\0\0\0\0J\0\0\0\0K\0tb.",
        "dtype from a list": b"\x80\x04" + DTYPE + b"]" + b"\x85R.",
        "dtype from a memmap": b"\x80\x04" + DTYPE + text("u1,O") + b"\x85R.",
        "ndarray called": b"\x80\x04" + NDARRAY + b"J\xff\xff\xff\x7f\x85\x85R.",
        "ndarray built": b"\x80\x04" + NDARRAY + b"}" + text("x") + b"K\x01sb.",
        "codec": b"\x80\x04" + ENCODE + text("x") + text("rot13") + b"\x86R.",
        "codec of an object": b"\x80\x04" + ENCODE + NDARRAY + text("latin1") + b"\x86R.",
        "attribute of a stand-in": b"\x80\x04" + ENCODE + b"}" + text("__doc__") + text("x") + b"sb.",
        "defaults of a stand-in": b"\x80\x04" + ENCODE + b"N}" + text("__defaults__") + b"K\x01\x85s\x86b.",
        "attribute of a class": b"\x80\x04" + DTYPE + b"N}" + text("complete") + b"Ns\x86b.",
        "attribute of a dict": b"\x80\x04}}" + text("__class__") + b"Nsb.",
        "huge array": b"\x80\x04" + EMPTY_ARRAY + b"(K\x01J\xff\xff\xff\x7f\x85" + U1 + b"\x89C\x01atb.",
        "negative shape": b"\x80\x04" + EMPTY_ARRAY + b"(K\x01J\xff\xff\xff\xff\x85" + U1 + b"\x89C\x01atb.",
        "array from a list": b"\x80\x04" + EMPTY_ARRAY + b"(K\x01K\x01\x85" + U1 + b"\x89]K\x01atb.",
        # out of memory or time
        "huge memo index": b"\x80\x02K\x01r\xff\xff\xff\xff.",
        "huge bytearray": b"\x80\x05\x96" + struct.pack("<Q", 1 << 35) + b".",
        "huge bytes": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 60) + b".",
        "key that takes long to hash": b"\x80\x04})" + b"".join(pair_of_itself) + b"Ns.",
        "too many parts": b"\x80\x04" + b"]" * 60_000 + b".",
    }


MERELY_CORRUPT = ("ndarray called", "huge array", "huge memo index", "huge bytearray", "huge bytes")


@pytest.mark.parametrize("name", hostile_pickles("x"))
def test_hostile_pickle_is_refused_and_does_not_run(tmp_path, monkeypatch, name):
    canary = tmp_path / "ran"
    monkeypatch.setattr(unpickle_module, "READS_LIMIT", 50_000)
    before = (
        vars(unpickle_module._encode).copy(),
        unpickle_module._encode.__defaults__,
        unpickle_module._encode.__doc__,
    )
    hostile = hostile_pickles(str(canary))[name]
    started = time.monotonic()
    message = refusal(packed(tmp_path / "a.tar.gz", good_members() | {"cifar-100-python/train": hostile}))
    assert name in MERELY_CORRUPT or "refused: " in message or "with the opcode" in message
    inside = b"\x80\x04}" + text("data") + hostile.removesuffix(b".") + b"s."  # deeper in a dictionary
    refusal(packed(tmp_path / "b.tar.gz", good_members() | {"cifar-100-python/test": inside}))
    assert not canary.exists()
    assert time.monotonic() - started < 5
    after = (
        vars(unpickle_module._encode).copy(),
        unpickle_module._encode.__defaults__,
        unpickle_module._encode.__doc__,
    )
    assert after == before


@pytest.mark.parametrize("name", ["os.system", "exec", "eval in protocol 0", "INST", "OBJ"])
def test_control_the_hostile_pickles_do_run_elsewhere(tmp_path, name):
    canary = tmp_path / "ran"
    pickle.loads(hostile_pickles(str(canary))[name])
    assert canary.exists()


def test_hostile_meta_is_more_than_a_warning(tmp_path):
    canary = tmp_path / "ran"
    meta = hostile_pickles(str(canary))["os.system"]
    message = refusal(packed(tmp_path / "a.tar.gz", good_members() | {"cifar-100-python/meta": meta}))
    assert "os.system" in message and not canary.exists()
