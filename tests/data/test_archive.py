"""What is in an archive: fault cases 7-9, writing, and the real one."""

import hashlib
import os
import pickle
import time

import numpy as np
import pytest

from paddle_cifar.data.archive import Archive, read_archive, write_archive
from paddle_cifar.data.labels import COARSE_NAMES, FINE_NAMES, FINE_TO_COARSE
from paddle_cifar.errors import RunError
from tests.data.archives import (
    assert_same,
    good_members,
    packed,
    refusal,
    small_archive,
    small_split,
    with_train,
)

REAL = os.environ.get("CIFAR100_FILE", "")
real_data = [pytest.mark.real_data, pytest.mark.skipif(not REAL, reason="CIFAR100_FILE is not set")]


# -- files that are fine --------------------------------------------------------------------


def test_write_then_read(tmp_path):
    path = write_archive(tmp_path / "a.tar.gz", small_archive())
    read = read_archive(path)
    assert_same(read, small_archive())
    assert read.warnings == ()
    assert read.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert os.listdir(tmp_path) == ["a.tar.gz"]


def test_written_bytes_do_not_depend_on_the_time(tmp_path, monkeypatch):
    first = write_archive(tmp_path / "a.tar.gz", small_archive()).read_bytes()
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert write_archive(tmp_path / "b.tar.gz", small_archive()).read_bytes() == first


def test_write_failure_is_a_run_error(tmp_path):
    with pytest.raises(RunError, match="cannot write"):
        write_archive(tmp_path / "no" / "such" / "a.tar.gz", small_archive())
    with pytest.raises(RunError, match="no test split"):
        write_archive(tmp_path / "a.tar.gz", Archive(small_split(2, 0), None))


def test_only_the_splits_asked_for(tmp_path):
    path = write_archive(tmp_path / "a.tar.gz", small_archive())
    read = read_archive(path, splits=("test",))
    assert read.train is None and len(read.test.images) == 5
    assert read.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(RunError, match="did you mean train"):
        read_archive(path, splits=("trian",))


def test_arrays_cannot_be_changed_in_place(tmp_path):
    train = read_archive(write_archive(tmp_path / "a.tar.gz", small_archive())).train
    for array in (train.images, train.fine_labels, train.coarse_labels):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


# -- case 7 and 8: contents -----------------------------------------------------------------


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((12, 3071), np.uint8),
        np.zeros((12, 3, 32, 32), np.uint8),
        np.zeros(12 * 3072, np.uint8),
        np.zeros((12, 3072), np.float32),
        np.zeros((12, 3072), np.int8),
        [[0] * 3072] * 12,
        None,
    ],
)
def test_wrong_pixels(tmp_path, pixels):
    message = refusal(with_train(tmp_path / "a.tar.gz", data=pixels))
    assert "the pixels of cifar-100-python/train are not uint8 (N, 3072)" in message


def test_no_images_at_all(tmp_path):
    refusal(
        with_train(
            tmp_path / "a.tar.gz", data=np.zeros((0, 3072), np.uint8), fine_labels=[], coarse_labels=[]
        )
    )


@pytest.mark.parametrize(("key", "limit"), [("fine_labels", 100), ("coarse_labels", 20)])
def test_wrong_labels(tmp_path, key, limit):
    path = tmp_path / "a.tar.gz"
    assert f"12 images but 11 {key}" in refusal(with_train(path, **{key: [0] * 11}))
    for bad, shown in [
        (limit, limit),
        (-1, -1),
        (True, "bool"),
        (10**30, "1000"),
        ("3", "str"),
        (None, "NoneType"),
    ]:
        labels = [limit - 1] * 7 + [bad] * 5
        assert f"{key}[7] of cifar-100-python/train is {shown}" in refusal(with_train(path, **{key: labels}))
    assert f"has no {key}" in refusal(with_train(path, **{key: "nonsense"}))


def test_missing_fine_labels(tmp_path):
    assert "has no fine_labels" in refusal(with_train(tmp_path / "a.tar.gz", fine_labels=None))


def test_missing_coarse_labels_are_derived(tmp_path):
    read = read_archive(with_train(tmp_path / "a.tar.gz", coarse_labels=None))
    assert_same(read, small_archive())
    assert len(read.warnings) == 1 and "coarse" in read.warnings[0]


@pytest.mark.parametrize("filenames", [None, ["x"], [1] * 12, ["\x1b[2J"] * 12])
def test_unusable_filenames_are_numbered(tmp_path, filenames):
    read = read_archive(with_train(tmp_path / "a.tar.gz", filenames=filenames))
    assert read.train.filenames[11] == "00011.png"
    assert len(read.warnings) == 1 and "file names" in read.warnings[0]


# -- case 9: meta ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "meta",
    [
        None,
        b"",
        b"\x80\x02}",
        b"garbage",
        pickle.dumps([1, 2]),
        pickle.dumps({}),
        pickle.dumps({"fine_label_names": ["a"] * 99, "coarse_label_names": ["b"] * 20}),
        pickle.dumps({"fine_label_names": [["a"]] * 100, "coarse_label_names": ["b"] * 20}),
        pickle.dumps({"fine_label_names": ["a\n"] * 100, "coarse_label_names": ["b"] * 20}),
    ],
)
def test_meta_missing_or_damaged_is_a_warning(tmp_path, meta):
    members = good_members()
    members["cifar-100-python/meta"] = meta
    read = read_archive(
        packed(tmp_path / "a.tar.gz", {key: data for key, data in members.items() if data is not None})
    )
    assert_same(read, small_archive())
    assert len(read.warnings) == 1 and "built-in class names" in read.warnings[0]


# -- names and the real archive -------------------------------------------------------------


def test_names():
    assert len(set(FINE_NAMES)) == 100 and list(FINE_NAMES) == sorted(FINE_NAMES)
    assert len(set(COARSE_NAMES)) == 20
    assert [FINE_TO_COARSE.count(label) for label in range(20)] == [5] * 20
    superclass = dict(zip(FINE_NAMES, (COARSE_NAMES[label] for label in FINE_TO_COARSE), strict=True))
    assert superclass["apple"] == "fruit_and_vegetables" and superclass["worm"] == "non-insect_invertebrates"
    assert superclass["bicycle"] == "vehicles_1" and superclass["tractor"] == "vehicles_2"


@pytest.fixture(scope="module")
def real():
    started = time.monotonic()
    archive = read_archive(REAL)
    return archive, time.monotonic() - started


class TestRealArchive:
    pytestmark = real_data

    def test_contents(self, real):
        archive, _ = real
        assert archive.warnings == ()
        assert archive.fine_names == FINE_NAMES and archive.coarse_names == COARSE_NAMES
        for split, per_class in ((archive.train, 500), (archive.test, 100)):
            assert split.images.shape == (100 * per_class, 3, 32, 32) and split.images.dtype == np.uint8
            assert np.bincount(split.fine_labels).tolist() == [per_class] * 100
            assert np.array_equal(np.array(FINE_TO_COARSE)[split.fine_labels], split.coarse_labels)
            assert len(split.filenames) == len(split.images)
            assert split.images.flags.c_contiguous

    def test_time(self, real):
        assert real[1] < 10  # seconds; 1.5 on two idle cores
