import numpy as np
import pytest

from paddle_cifar.data.augment import RandomCrop, RandomFlip, augment, build_augmentations
from paddle_cifar.errors import UsageError


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(1, 256, (20, 3, 32, 32), dtype=np.uint8)


def test_crop_at_the_middle_changes_nothing(images):
    assert np.array_equal(RandomCrop(4).apply(images, np.full((20, 2), 4)), images)


def test_crop_shifts_each_image_by_its_own_offset(images):
    corners = np.full((20, 2), 4)
    corners[3] = (0, 7)  # four rows down, three columns to the left
    cropped = RandomCrop(4).apply(images, corners)
    assert np.array_equal(cropped[3, :, 4:, :29], images[3, :, :28, 3:])
    assert not cropped[3, :, :4].any() and not cropped[3, :, :, 29:].any()  # black outside
    assert np.array_equal(np.delete(cropped, 3, 0), np.delete(images, 3, 0))


def test_every_crop_is_a_window_of_the_padded_image(images):
    corners = RandomCrop(4).draw(np.random.default_rng(1), 20)
    cropped = RandomCrop(4).apply(images, corners)
    padded = np.pad(images, ((0, 0), (0, 0), (4, 4), (4, 4)))
    for image, (row, column), whole in zip(cropped, corners, padded, strict=True):
        assert np.array_equal(image, whole[:, row : row + 32, column : column + 32])


def test_crop_draws_all_offsets_evenly():
    corners = RandomCrop(4).draw(np.random.default_rng(2), 81_000)
    counts = np.bincount(corners[:, 0] * 9 + corners[:, 1], minlength=81)
    assert len(counts) == 81 and counts.min() > 850 and counts.max() < 1150


def test_flip_is_identity_or_mirror(images):
    choice = np.arange(20) % 3 == 0
    flipped = RandomFlip().apply(images, choice)
    assert np.array_equal(flipped[choice], images[choice][..., ::-1])
    assert np.array_equal(flipped[~choice], images[~choice])
    assert np.array_equal(RandomFlip().apply(flipped, choice), images)


def test_flip_mirrors_half():
    assert abs(RandomFlip().draw(np.random.default_rng(3), 10_000).mean() - 0.5) < 0.02


def test_augment_is_a_function_of_the_generator_and_leaves_its_input(images):
    before = images.copy()
    chain = build_augmentations("crop,flip")
    first = augment(images, chain, np.random.default_rng(5))
    assert np.array_equal(first, augment(images, chain, np.random.default_rng(5)))
    assert not np.array_equal(first, augment(images, chain, np.random.default_rng(6)))
    assert np.array_equal(images, before) and first.dtype == np.uint8


@pytest.mark.parametrize("names", ["none", "", " "])
def test_none_is_empty(names):
    assert build_augmentations(names) == []


def test_order_is_kept():
    assert [type(a) for a in build_augmentations("flip, crop")] == [RandomFlip, RandomCrop]


def test_unknown_augmentation_offers_the_nearest():
    with pytest.raises(UsageError, match="did you mean crop"):
        build_augmentations("flip,cropp")
