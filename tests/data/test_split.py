import numpy as np
import pytest

from paddle_cifar.data.split import held_out_images, split_fold, split_validation
from paddle_cifar.errors import UsageError

LABELS = np.random.default_rng(0).permutation(np.repeat(np.arange(10), 50))


def test_split_is_disjoint_complete_and_even_over_classes():
    kept, held_out = split_validation(LABELS, 100, seed=3)
    assert sorted([*kept, *held_out]) == list(range(500))
    assert np.array_equal(np.bincount(LABELS[held_out]), np.full(10, 10))
    assert np.array_equal(held_out, split_validation(LABELS, 100, seed=3)[1])
    assert not np.array_equal(held_out, split_validation(LABELS, 100, seed=4)[1])


def test_split_of_everything_is_refused():
    with pytest.raises(UsageError, match="--val-split"):
        split_validation(np.arange(100), 100)


@pytest.mark.parametrize("kfold", [2, 5, 7])
def test_folds_are_disjoint_cover_everything_and_are_even_over_classes(kfold):
    labels = LABELS[:491]  # neither classes nor folds come out even
    folds = [split_fold(labels, kfold, fold, seed=3) for fold in range(1, kfold + 1)]
    held_out = [fold for _, fold in folds]
    assert sorted(np.concatenate(held_out)) == list(range(491)), "each image in exactly one fold"
    for kept, fold in folds:
        assert sorted([*kept, *fold]) == list(range(491))
    assert np.ptp([len(fold) for fold in held_out]) <= 1
    counts = np.array([np.bincount(labels[fold], minlength=10) for fold in held_out])
    assert np.ptp(counts, axis=0).max() <= 1


def test_folds_follow_from_the_seed():
    again, other = split_fold(LABELS, 5, 2, seed=3)[1], split_fold(LABELS, 5, 2, seed=4)[1]
    assert np.array_equal(split_fold(LABELS, 5, 2, seed=3)[1], again) and not np.array_equal(again, other)


def test_a_fold_without_images_is_refused():
    with pytest.raises(UsageError, match="--kfold 501"):
        split_fold(LABELS, 501, 1)


def test_fold_or_split_or_nothing():
    assert np.array_equal(held_out_images(LABELS, 0, 5, 2, 7)[1], split_fold(LABELS, 5, 2, 7)[1])
    assert np.array_equal(held_out_images(LABELS, 50, seed=7)[1], split_validation(LABELS, 50, 7)[1])
    kept, held_out = held_out_images(LABELS)
    assert len(kept) == 500 and len(held_out) == 0
