import numpy as np
import pytest

from paddle_cifar.data.augment.erasing import MEAN_COLOUR, Boxes, Cutout, GridMask, Grids, RandomErasing
from paddle_cifar.data.loader import CIFAR100_MEAN, normalise
from tests.data.augment.images import chance, noise


def hidden(images, changed):
    """Which pixels are hidden, bool (N, H, W); all others must be as they were."""
    mask = (changed == MEAN_COLOUR).all(1)
    same = (changed == images).all(1)
    assert np.all(mask | same)
    return mask & ~same


def test_hidden_pixels_are_about_zero_after_normalisation():
    assert np.array_equal(MEAN_COLOUR.reshape(-1), np.rint(np.multiply(CIFAR100_MEAN, 255)))
    assert np.abs(normalise(np.broadcast_to(MEAN_COLOUR, (1, 3, 32, 32)))).max() < 0.01


@pytest.mark.parametrize("probability", [0, 0.25, 1])
def test_erasing_follows_the_papers_ranges(probability):
    boxes = RandomErasing(probability).draw(chance(0, 20_000))
    height, width = boxes.bottom - boxes.top, boxes.right - boxes.left
    erased = height > 0
    assert np.array_equal(erased, width > 0) and abs(erased.mean() - probability) < 0.015
    assert boxes.top.min() >= 0 and boxes.left.min() >= 0 and max(boxes.bottom.max(), boxes.right.max()) <= 32
    if probability:
        area, ratio = (height * width)[erased] / 1024, (height / np.maximum(width, 1))[erased]
        assert 0.01 < area.min() < 0.03 and 0.38 < area.max() < 0.43  # whole pixels round a little
        assert 0.2 < ratio.min() < 0.34 and 3 < ratio.max() < 4.5
        assert abs(area.mean() - 0.204) < 0.01  # uniform in 0.02-0.4, less what does not fit


def test_erasing_hides_exactly_the_rectangle():
    images = noise()
    boxes = Boxes(*(np.full(20, value) for value in (3, 10, 20, 32)))
    mask = hidden(images, RandomErasing().apply(images, boxes))
    expected = np.zeros((32, 32), bool)
    expected[3:10, 20:32] = True
    assert np.all(mask == expected)


def test_erasing_covers_the_image_evenly():
    mask = RandomErasing(1).draw(chance(1, 20_000)).mask(32, 32).mean((0, 1))
    assert np.abs(mask - mask[::-1]).max() < 0.02 and np.abs(mask - mask[:, ::-1]).max() < 0.02
    assert mask[16, 16] > mask[0, 0] > 0


@pytest.mark.parametrize("side", [1, 8, 16, 32])
def test_cutout_is_a_square_about_any_pixel(side):
    images = noise(500)
    boxes = Cutout(side).draw(chance(2, 500))
    assert np.all(boxes.bottom - boxes.top == side) and np.all(boxes.right - boxes.left == side)
    centres = np.stack((boxes.top, boxes.left)) + side // 2
    assert centres.min() == 0 and centres.max() == 31
    areas = hidden(images, Cutout(side).apply(images, boxes)).sum((1, 2))
    assert 0.8 * side**2 <= areas.max() <= side**2 and areas.min() >= (side // 2) ** 2


def test_gridmask_hides_the_authors_share():
    images = noise(4000)
    masked = hidden(images, GridMask(1).apply(images, GridMask(1).draw(chance(3, 4000))))
    assert abs(masked.mean() - 0.36) < 0.01  # (1 - 0.4) squared
    assert np.abs(masked.mean(0) - 0.36).max() < 0.05  # anywhere


def test_gridmask_draws_its_probability_and_cells():
    grids = GridMask(0.3).draw(chance(4, 20_000))
    assert abs((grids.square > 0).mean() - 0.3) < 0.015
    assert set(np.unique(grids.cell)) == set(range(24, 33))
    assert np.all((grids.down < grids.cell) & (grids.across < grids.cell))
    assert set(np.unique(grids.square[(grids.cell == 25) & (grids.square > 0)])) == {15}


def test_gridmask_by_hand():
    images = noise(1)
    grids = Grids(*(np.array([value]) for value in (10, 6, 2, 0)))
    rows, columns = np.divmod(np.arange(1024), 32)
    expected = ((rows + 2) % 10 < 6) & (columns % 10 < 6)
    assert np.array_equal(hidden(images, GridMask().apply(images, grids))[0].reshape(-1), expected)
