import itertools

import numpy as np
import pytest

from paddle_cifar.data.augment.geometry import (
    AlternatingFlip,
    RandomCrop,
    RandomFlip,
    RandomRotation,
    first_half,
)
from tests.data.augment.images import chance, from_pil, noise, to_pil


@pytest.fixture
def images():
    return np.maximum(noise(), 1)


def test_crop_at_the_middle_changes_nothing(images):
    assert np.array_equal(RandomCrop(4).apply(images, np.full((20, 2), 4)), images)


def test_crop_shifts_each_image_by_its_own_offset(images):
    corners = np.full((20, 2), 4)
    corners[3] = (0, 7)  # four rows down, three columns to the left
    cropped = RandomCrop(4).apply(images, corners)
    assert np.array_equal(cropped[3, :, 4:, :29], images[3, :, :28, 3:])
    assert not cropped[3, :, :4].any() and not cropped[3, :, :, 29:].any()  # black outside
    assert np.array_equal(np.delete(cropped, 3, 0), np.delete(images, 3, 0))


@pytest.mark.parametrize("padding", [2, 4])
def test_every_crop_is_a_window_of_the_padded_image(images, padding):
    corners = RandomCrop(padding).draw(chance(1))
    cropped = RandomCrop(padding).apply(images, corners)
    padded = np.pad(images, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    for image, (row, column), whole in zip(cropped, corners, padded, strict=True):
        assert np.array_equal(image, whole[:, row : row + 32, column : column + 32])


def test_crop_draws_all_offsets_evenly():
    corners = RandomCrop(4).draw(chance(2, 81_000))
    counts = np.bincount(corners[:, 0] * 9 + corners[:, 1], minlength=81)
    assert len(counts) == 81 and counts.min() > 850 and counts.max() < 1150


def test_flip_is_identity_or_mirror(images):
    choice = np.arange(20) % 3 == 0
    flipped = RandomFlip().apply(images, choice)
    assert np.array_equal(flipped[choice], images[choice][..., ::-1])
    assert np.array_equal(flipped[~choice], images[~choice])
    assert np.array_equal(RandomFlip().apply(flipped, choice), images)


def test_flip_mirrors_half():
    assert abs(RandomFlip().draw(chance(3, 10_000)).mean() - 0.5) < 0.02


def test_alternating_flip_shows_each_image_both_ways_in_any_two_epochs():
    epochs = [AlternatingFlip().draw(chance(5, 10_000, epoch)) for epoch in range(4)]
    for this, following in itertools.pairwise(epochs):
        assert np.array_equal(this, ~following)
    assert abs(epochs[0].mean() - 0.5) < 0.02


def test_alternating_flip_depends_on_the_image_not_on_its_place_in_a_batch():
    shuffled = np.random.default_rng(0).permutation(500)
    whole = AlternatingFlip().draw(chance(7, 500, epoch=3))
    assert np.array_equal(AlternatingFlip().draw(chance(7, epoch=3, indices=shuffled)), whole[shuffled])


def test_first_halves_of_neighbouring_seeds_and_indices_are_independent():
    halves = np.stack([first_half(np.arange(20_000), seed) for seed in (0, 1, 2, 2**32 - 1)])
    assert np.all(np.abs(np.corrcoef(halves) - np.eye(4)) < 0.03)
    neighbours = halves[:, 1:] == halves[:, :-1]
    assert np.all(np.abs(neighbours.mean(1) - 0.5) < 0.02)


def test_rotation_is_pillows(images):
    degrees = np.array([0, 1e-9, 15, -15, 7.3, -0.4, 45, 90, 180, 270, *np.linspace(-14, 14, 10)])
    for turned, image, angle in zip(RandomRotation().apply(images, degrees), images, degrees, strict=True):
        assert np.array_equal(turned, from_pil(to_pil(image).rotate(angle)))


@pytest.mark.parametrize("degrees", [0, 15, 30])
def test_rotation_draws_within_its_range(degrees):
    angles = RandomRotation(degrees).draw(chance(4, 10_000))
    assert np.abs(angles).max() <= degrees and np.abs(angles).max() >= 0.99 * degrees
    assert abs(angles.mean()) <= 0.02 * degrees
