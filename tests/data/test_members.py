"""Gzip and tar: fault cases 1, 2, 3 and 6, and limits."""

import gzip
import pickle
import tarfile

import pytest

from paddle_cifar.data import members as members_module
from paddle_cifar.data.archive import read_archive
from tests.data.archives import (
    assert_same,
    good_members,
    packed,
    refusal,
    small_archive,
    tar_bytes,
)


def test_gzip_in_several_parts(tmp_path):
    tar = tar_bytes(list(good_members().items()))
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(tar[:7000]) + gzip.compress(tar[7000:]))
    assert_same(read_archive(path), small_archive())


# -- case 1 and 2: not an archive -----------------------------------------------------------


def test_missing_or_a_directory(tmp_path):
    assert "--data-file" in refusal(tmp_path / "none.tar.gz")
    assert "is a directory" in refusal(tmp_path)


@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html><html>404</html>", b"\x1f\x8b", bytes(2000)])
def test_not_an_archive(tmp_path, content):
    path = tmp_path / "a.tar.gz"
    path.write_bytes(content)
    message = refusal(path)
    assert "corrupt" in message and "download again" in message


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.9999])
def test_truncated_gzip(tmp_path, share):
    path = packed(tmp_path / "a.tar.gz", good_members())
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert "corrupt" in refusal(path)


def test_wrong_checksum_at_the_very_end(tmp_path):
    path = packed(tmp_path / "a.tar.gz", good_members())
    content = bytearray(path.read_bytes())
    content[-8] ^= 1  # the CRC; every member before it is whole
    path.write_bytes(content)
    assert "corrupt" in refusal(path)


# -- case 3 and 6: members ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["train", "test"])
def test_missing_member_is_named(tmp_path, name):
    members = good_members()
    del members[f"cifar-100-python/{name}"]
    assert f"cifar-100-python/{name} is missing" in refusal(packed(tmp_path / "a.tar.gz", members))


def test_tar_cut_at_the_train_header(tmp_path):
    tar = tar_bytes(list(good_members().items()))
    start = tar.index(b"cifar-100-python/train")
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(tar[:start]))
    assert "cifar-100-python/train is missing" in refusal(path)
    path.write_bytes(gzip.compress(tar[: start + 3000]))  # cut inside it
    assert "corrupt" in refusal(path)


def test_misleading_members_are_ignored(tmp_path):
    evil = pickle.dumps({"data": "not this one"})
    misleading = ["train", "cifar-100-python/train2", "x/cifar-100-python/train", "cifar-100-python/TRAIN"]
    misleading += ["/cifar-100-python/train", "../cifar-100-python/train", "cifar-100-python/train/x"]
    members = [(name, evil) for name in misleading] + list(good_members().items())
    assert_same(read_archive(packed(tmp_path / "a.tar.gz", members)), small_archive())


def test_leading_dot_is_tolerated(tmp_path):
    members = {f"./{name}": data for name, data in good_members().items()}
    assert_same(read_archive(packed(tmp_path / "a.tar.gz", members)), small_archive())


@pytest.mark.parametrize("prefix", ["", "./"])
@pytest.mark.parametrize("name", ["train", "meta"])
def test_duplicates_are_refused(tmp_path, name, prefix):
    name = f"cifar-100-python/{name}"
    members = [*good_members().items(), (prefix + name, good_members()[name])]
    assert "twice" in refusal(packed(tmp_path / "a.tar.gz", members))


@pytest.mark.parametrize("name", ["train", "meta"])
@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE]
)
def test_only_regular_files(tmp_path, kind, name):
    member = tarfile.TarInfo(f"cifar-100-python/{name}")
    member.type, member.linkname = kind, "cifar-100-python/test"
    members = {key: data for key, data in good_members().items() if key != member.name}
    path = packed(tmp_path / "a.tar.gz", [*members.items(), (member, b"")])
    assert "not a regular file" in refusal(path)


def test_size_limits(tmp_path, monkeypatch):
    path = packed(tmp_path / "a.tar.gz", good_members())
    monkeypatch.setattr(members_module, "MEMBER_LIMIT", 20_000)
    assert "longer than" in refusal(path)
    monkeypatch.setattr(members_module, "MEMBER_LIMIT", 1 << 20)
    monkeypatch.setattr(members_module, "STREAM_LIMIT", 30_000)
    assert "unpacks to more than" in refusal(path)


def test_too_many_members(tmp_path):
    members = [(f"filler/{i}", b"") for i in range(members_module.MEMBERS_LIMIT + 1)]
    assert "more than 1000 members" in refusal(packed(tmp_path / "a.tar.gz", members))
