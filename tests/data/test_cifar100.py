"""``Cifar100``: the same items as Paddle's own class, one reading for both halves, errors and warnings."""

import hashlib

import numpy as np
import pytest

from paddle_cifar.data import cifar100 as module
from paddle_cifar.data.archive import Archive, read_archive, write_archive
from paddle_cifar.data.cifar100 import Cifar100
from paddle_cifar.data.labels import COARSE_NAMES, FINE_NAMES, FINE_TO_COARSE
from paddle_cifar.errors import RunError, UsageError
from tests.data.archives import good_members, packed, small_archive, small_split

paddle = pytest.importorskip("paddle")


@pytest.fixture
def data_file(tmp_path):
    return str(write_archive(tmp_path / "a.tar.gz", small_archive()))


@pytest.mark.parametrize("mode", ["train", "test", "TEST"])
@pytest.mark.parametrize("backend", ["pil", "cv2", None])
@pytest.mark.parametrize("transform", [None, np.asarray, paddle.vision.transforms.Transpose()])
def test_items_equal_those_of_paddles_class(data_file, mode, backend, transform):
    ours = Cifar100(data_file, mode, transform, False, backend)
    theirs = paddle.vision.datasets.Cifar100(data_file, mode, transform, True, backend)
    assert len(ours) == len(theirs) and (ours.mode, ours.backend) == (theirs.mode, theirs.backend)
    assert ours.data_file == data_file
    for index in (*range(len(theirs)), -1):
        (image, label), (their_image, their_label) = ours[index], theirs[index]
        assert type(image) is type(their_image)
        assert np.asarray(image).dtype == np.asarray(their_image).dtype
        assert np.array_equal(np.asarray(image), np.asarray(their_image))
        assert type(label) is type(their_label) and (label.dtype, label.shape) == (np.int64, ())
        assert label == their_label
    with pytest.raises(IndexError):
        ours[len(ours)]


def test_it_is_a_paddle_cifar100(data_file):
    dataset = Cifar100(data_file)
    assert isinstance(dataset, paddle.vision.datasets.Cifar100)
    loader = paddle.io.DataLoader(
        Cifar100(data_file, transform=paddle.vision.transforms.ToTensor()), batch_size=4
    )
    images, labels = next(iter(loader))
    assert images.shape == [4, 3, 32, 32] and labels.numpy().tolist() == dataset.fine_labels[:4].tolist()


def test_list_of_the_parent(data_file):
    ours, theirs = Cifar100(data_file), paddle.vision.datasets.Cifar100(data_file)
    assert len(ours.data) == len(theirs.data)
    for (row, label), (their_row, their_label) in zip(ours.data, theirs.data, strict=True):
        assert np.array_equal(row, their_row) and row.shape == (3072,) and label == their_label


def test_arrays_and_names(data_file, tmp_path):
    dataset, expected = Cifar100(data_file, "test"), small_archive().test
    assert np.array_equal(dataset.images, expected.images)
    assert np.array_equal(dataset.fine_labels, expected.fine_labels)
    assert np.array_equal(dataset.coarse_labels, expected.coarse_labels)
    assert dataset.filenames == expected.filenames
    assert (dataset.fine_names, dataset.coarse_names) == (FINE_NAMES, COARSE_NAMES)
    assert dataset.fine_to_coarse.tolist() == list(FINE_TO_COARSE)
    assert dataset.sha256 == hashlib.sha256((tmp_path / "a.tar.gz").read_bytes()).hexdigest()


def test_superclasses_follow_the_archive():
    split = small_split(3, seed=0)
    split.coarse_labels[:] = (np.array(FINE_TO_COARSE)[split.fine_labels] + 1) % 20
    table = Cifar100.from_archive(Archive(split, split)).fine_to_coarse
    assert np.array_equal(table[split.fine_labels], split.coarse_labels)
    assert sum(table != FINE_TO_COARSE) == len(set(split.fine_labels))


def test_both_halves_from_one_reading(data_file, monkeypatch):
    archive = read_archive(data_file)
    monkeypatch.setattr(module, "read_archive", lambda *_, **__: pytest.fail("read again"))
    train, test = (Cifar100.from_archive(archive, mode) for mode in ("train", "test"))
    assert len(train) == 12 and len(test) == 5
    assert train.images is archive.train.images  # not a copy
    assert train.sha256 == test.sha256 == archive.sha256


def test_a_split_that_was_not_read(data_file):
    with pytest.raises(RunError, match="without its train split"):
        Cifar100.from_archive(read_archive(data_file, splits=("test",)), "train")


def test_file_from_the_variable(data_file, monkeypatch):
    monkeypatch.setenv("CIFAR100_FILE", data_file)
    assert Cifar100(download=False).data_file == data_file


def test_unknown_mode_and_backend(data_file):
    with pytest.raises(UsageError, match="did you mean train"):
        Cifar100(data_file, mode="trian")
    with pytest.raises(UsageError, match="unknown backend 'tensor'"):
        Cifar100(data_file, backend="tensor")


def test_damaged_archive_and_warnings(tmp_path):
    members = good_members()
    del members["cifar-100-python/meta"]
    with pytest.warns(UserWarning, match="built-in class names"):
        assert Cifar100(str(packed(tmp_path / "a.tar.gz", members))).fine_names == FINE_NAMES
    (tmp_path / "b.tar.gz").touch()
    with pytest.raises(RunError, match="corrupt"):
        Cifar100(str(tmp_path / "b.tar.gz"))
