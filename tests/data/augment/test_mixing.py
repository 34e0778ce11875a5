import numpy as np
import pytest

from paddle_cifar.data.augment import mix
from paddle_cifar.data.augment.mixing import CutMix, Mixed, MixUp, Pairs
from tests.data.augment.images import chance

LABELS = np.array([3, 1, 4, 1, 5, 9, 2, 6])


def batch(count=8, side=32):
    return np.random.default_rng(0).normal(size=(count, 3, side, side)).astype(np.float32)


def counted(count=8, side=32):
    """Image i has the value i everywhere, so that each pixel tells where it comes from."""
    return np.broadcast_to(np.arange(count, dtype=np.float32)[:, None, None, None], (count, 3, side, side))


def test_mixup_in_float64():
    pairs = MixUp().draw(chance(1, 8))
    mixed = MixUp().apply(batch(), pairs)
    images = batch().astype(np.float64)
    expected = pairs.share * images + (1 - pairs.share) * images[pairs.partner]
    assert np.abs(mixed.images - expected).max() < 1e-6 and mixed.images.dtype == np.float32


@pytest.mark.parametrize("way", [MixUp(0.2), MixUp(1), CutMix(0.5), CutMix(1)])
@pytest.mark.parametrize("side", [16, 32])
def test_labels_have_the_shares_of_the_pixels(way, side):
    one_hot = np.eye(10)[LABELS]
    for seed in range(50):
        mixed = way.apply(counted(side=side), way.draw(chance(seed, 8)))
        soft = mixed.labels(LABELS, 10)
        assert soft.dtype == np.float32 and np.abs(soft.sum(1) - 1).max() < 1e-6
        # The mean value of an image made of i and its partner's j tells the share of i.
        own, partner = np.arange(8), mixed.partner
        mean = mixed.images.astype(np.float64).mean((1, 2, 3))
        differs = own != partner
        share = np.where(differs, (mean - partner) / np.where(differs, own - partner, 1), mixed.share)
        expected = share[:, None] * one_hot + (1 - share)[:, None] * one_hot[partner]
        assert np.abs(soft - expected).max() < 1e-6


def test_a_pair_of_one_class_keeps_its_label():
    mixed = Mixed(batch(2), np.array([1, 0]), np.full(2, 0.3, np.float32))
    assert np.allclose(mixed.labels(np.array([7, 7]), 10), np.eye(10)[[7, 7]], atol=1e-7)


def test_cutmix_pastes_one_rectangle_and_leaves_its_input():
    images = counted()
    pairs = Pairs(np.roll(np.arange(8), 1), share=0.75, centre=(0.5, 0.0))
    mixed = CutMix().apply(images, pairs).images
    for own in range(8):
        pasted = mixed[own] == pairs.partner[own]
        expected = np.zeros((3, 32, 32), bool)
        expected[:, 8:24, :8] = True  # 16 pixels square, half of it over the left border
        assert np.array_equal(pasted, expected) and np.all(mixed[own][~pasted] == own)
    assert np.array_equal(images, counted())


@pytest.mark.parametrize(("share", "own"), [(0.0, 0), (1.0, 1)])
def test_cutmix_extremes(share, own):
    mixed = CutMix().apply(counted(), Pairs(np.roll(np.arange(8), 1), share, (0.5, 0.5)))
    assert np.all(mixed.share == own) and mixed.images[3, 0, 5, 5] == (3 if own else 2)


@pytest.mark.parametrize(("alpha", "spread"), [(0.2, 0.179), (1.0, 1 / 12), (5.0, 1 / 44)])
def test_shares_have_the_variance_of_the_beta_distribution(alpha, spread):
    for way in (MixUp(alpha), CutMix(alpha)):
        shares = [way.draw(chance(seed, 2)).share for seed in range(4000)]
        assert abs(np.mean(shares) - 0.5) < 0.03 and np.var(shares) == pytest.approx(spread, rel=0.1)


def test_of_two_ways_each_batch_takes_one():
    taken = []
    for seed in range(200):
        images, labels = mix(counted(), LABELS, [MixUp(), CutMix()], chance(seed, 8), 10)
        assert labels.shape == (8, 10)
        # CutMix leaves whole values, MixUp makes new ones.
        taken.append(bool(np.any(images % 1)))
    assert 60 < sum(taken) < 140


def test_without_a_way_nothing_changes():
    images, labels = mix(counted(), LABELS, [], chance(0, 8), 10)
    assert labels is LABELS and np.array_equal(images, counted())
