"""The drawn stand-in: the same bytes everywhere, CIFAR-100's format, and worth learning from."""

import itertools
import time

import numpy as np
import pytest

from paddle_cifar.data.labels import COARSE_NAMES, FINE_NAMES, FINE_TO_COARSE
from paddle_cifar.data.synthetic import COLOURS, SILHOUETTES, SIZE, make_synthetic
from paddle_cifar.errors import UsageError

DEFAULT_SHA256 = "f788125ea37400d8127ea5c8b43747d37c1927b8a27729db78e50c4eebbe96f1"


@pytest.fixture(scope="module")
def archive():
    return make_synthetic()


def _pixels(split):
    return split.images.reshape(len(split.images), -1).astype(np.float32)


def _nearest(queries, references):
    """Index of the reference nearest to each query."""
    return ((references**2).sum(1) - 2 * queries @ references.T).argmin(1)


# --- determinism ------------------------------------------------------------------------------------


def test_default_set_never_changes(archive):
    # Published accuracies rest on it. It must not depend on the machine or on NumPy's version either.
    assert archive.sha256 == DEFAULT_SHA256


def test_seed_decides_the_bytes():
    first, again, other = (make_synthetic(300, 100, seed) for seed in (1, 1, 2))
    assert first.sha256 == again.sha256 != other.sha256
    np.testing.assert_array_equal(first.train.images, again.train.images)
    assert first.train.filenames == again.train.filenames


def test_training_set_does_not_depend_on_size_of_test_set():
    np.testing.assert_array_equal(
        make_synthetic(200, 100).train.images, make_synthetic(200, 300).train.images
    )


def test_hash_covers_labels_and_both_splits():
    assert len({make_synthetic(*sizes).sha256 for sizes in ((200, 100), (200, 200), (100, 200))}) == 3


# --- structure --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "count"), [("train", 5000), ("test", 1000)])
def test_format(archive, name, count):
    split = getattr(archive, name)
    assert split.images.shape == (count, 3, 32, 32)
    assert split.images.dtype == np.uint8 and split.images.flags.c_contiguous
    assert split.fine_labels.shape == split.coarse_labels.shape == (count,)
    assert split.fine_labels.dtype == split.coarse_labels.dtype == np.int64
    assert not any(a.flags.writeable for a in (split.images, split.fine_labels, split.coarse_labels))
    assert (np.bincount(split.fine_labels, minlength=100) == count // 100).all()
    np.testing.assert_array_equal(split.coarse_labels, np.asarray(FINE_TO_COARSE)[split.fine_labels])
    assert (np.diff(split.fine_labels) < 0).sum() > count // 3, "the order is not shuffled"


def test_names(archive):
    assert tuple(archive.fine_names) == tuple(FINE_NAMES)
    assert tuple(archive.coarse_names) == tuple(COARSE_NAMES)
    assert not archive.warnings
    assert len(set(archive.train.filenames)) == 5000
    for name, split in (("train", archive.train), ("test", archive.test)):
        for index in (0, 12, 999):
            label = FINE_NAMES[split.fine_labels[index]]
            assert split.filenames[index] == f"synthetic_{name}_{label}_{index:06d}.png"


def test_sizes_that_100_does_not_divide_stay_balanced():
    counts = np.bincount(make_synthetic(250, 101).train.fine_labels, minlength=100)
    assert set(counts) == {2, 3}


def test_no_image_occurs_twice(archive):
    images = np.concatenate((archive.train.images, archive.test.images))
    assert len({image.tobytes() for image in images}) == 6000


@pytest.mark.parametrize(
    ("arguments", "named"), [((99, 1000), "num_train"), ((5000, 0), "num_test"), ((100, 100, -1), "seed")]
)
def test_impossible_sizes_are_refused(arguments, named):
    with pytest.raises(UsageError, match=named) as failure:
        make_synthetic(*arguments)
    assert "\n" not in str(failure.value)


def test_takes_a_second_or_two():
    start = time.process_time()
    make_synthetic()
    assert time.process_time() - start < 3  # 0.5 s on a quiet core


# --- pictures ---------------------------------------------------------------------------------------


def test_pixels_use_the_whole_range_without_drowning_in_black_or_white(archive):
    images = archive.train.images
    assert images.min() == 0 and images.max() == 255
    assert ((images == 0) | (images == 255)).mean() < 0.1
    assert 90 < images.mean() < 150 and 40 < images.std() < 80


def test_one_colour_per_class_of_a_superclass_and_one_silhouette_per_superclass():
    assert len(COLOURS) == 5 and len(SILHOUETTES) == len(set(SILHOUETTES)) == 20
    for a, b in itertools.combinations(np.array(COLOURS, dtype=float), 2):
        assert np.linalg.norm(a - b) > 80


def test_silhouettes_are_well_apart():
    """Drawn upright and as large as they get, no two share more than 85 % of their joint area."""
    grid = (np.arange(SIZE, dtype=np.float32) - 15.5) / 11
    x, y = np.broadcast_arrays(np.abs(grid)[None, None, :], grid[None, :, None])
    masks = [(silhouette(x, y) < 0)[0] for silhouette in SILHOUETTES]
    for mask in masks:
        assert 0.1 < mask.mean() < 0.6
        np.testing.assert_array_equal(mask, mask[:, ::-1])  # a flip keeps the class
        assert not (mask[0].any() or mask[-1].any() or mask[:, 0].any()), "does not fit the image"
    for a, b in itertools.combinations(masks, 2):
        assert (a & b).sum() / (a | b).sum() < 0.85  # disc and square: 0.84


# --- hard enough, easy enough -----------------------------------------------------------------------


def test_mean_image_of_each_class_is_no_classifier(archive):
    train, test = _pixels(archive.train), _pixels(archive.test)
    means = np.stack([train[archive.train.fine_labels == label].mean(0) for label in range(100)])
    assert 0.05 < (_nearest(test, means) == archive.test.fine_labels).mean() < 0.4  # 0.16


def test_mean_colour_of_an_image_is_no_classifier(archive):
    train, test = (split.images.mean((2, 3), dtype=np.float32) for split in (archive.train, archive.test))
    means = np.stack([train[archive.train.fine_labels == label].mean(0) for label in range(100)])
    assert (_nearest(test, means) == archive.test.fine_labels).mean() < 0.15  # 0.04


def test_nearest_neighbour_tells_classes_apart(archive):
    """Raw pixels of 50 examples per class already give 30 times chance; a network has much to learn from."""
    nearest = _nearest(_pixels(archive.test), _pixels(archive.train))
    assert (archive.train.fine_labels[nearest] == archive.test.fine_labels).mean() > 0.3  # 0.37
