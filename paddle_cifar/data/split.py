"""Training images that are held out: a validation split, or one fold of several. Classes stay even."""

from __future__ import annotations

import numpy as np

from paddle_cifar.errors import UsageError


def held_out_images(
    labels: np.ndarray, val_split: int = 0, kfold: int = 0, fold: int = 1, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """What a run trains on and what it holds out: the fold, the split, or nothing.

    Args:
        labels: int64 (N,).
        val_split: images to hold out (0: none).
        kfold, fold: hold out this fold, from 1, of so many (0: none).
        seed: of the choice; the folds of one seed are disjoint.

    Returns:
        (training indices, held-out indices), each sorted.

    Raises:
        UsageError: when nothing would be left for training, or a fold would be empty.
    """
    if kfold:
        return split_fold(labels, kfold, fold, seed)
    return split_validation(labels, val_split, seed)


def split_validation(labels: np.ndarray, size: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Choose ``size`` images to hold out, evenly over the classes.

    Args:
        labels: integers (N,), the class of each training image.
        size: 0 to N - 1.
        seed: of the choice.

    Returns:
        (training indices, validation indices), each sorted.

    Raises:
        UsageError: when nothing would be left for training.
    """
    if size >= len(labels):
        raise UsageError(f"--val-split {size} leaves none of the {len(labels)} training images to train on")
    by_class = _shuffled_by_class(labels, seed)
    # The rank of each image among those of its class: taking the lowest ranks takes every class evenly.
    counts = np.bincount(labels)
    rank = np.concatenate([np.arange(count) for count in counts])
    return _without(by_class[np.argsort(rank, kind="stable")[:size]], len(labels))


def split_fold(labels: np.ndarray, kfold: int, fold: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Hold out one of ``kfold`` folds that are disjoint, together all images, and even over the classes.

    Sizes of folds, and of a class within them, differ by at most one image.

    Args:
        labels: integers (N,), the class of each training image.
        kfold: number of folds, 2 to N.
        fold: which one, from 1 to ``kfold``.
        seed: of the folds; one seed for all of them.

    Returns:
        (training indices, the fold's indices), each sorted.

    Raises:
        UsageError: when there are more folds than images.
    """
    if kfold > len(labels):
        raise UsageError(f"--kfold {kfold} is more than the {len(labels)} training images")
    # Dealt like cards, one class after the other.
    return _without(_shuffled_by_class(labels, seed)[fold - 1 :: kfold], len(labels))


def _shuffled_by_class(labels: np.ndarray, seed: int) -> np.ndarray:
    """Indices of all images, class after class, in random order within a class."""
    shuffled = np.random.default_rng((seed, len(labels))).permutation(len(labels))
    return shuffled[np.argsort(labels[shuffled], kind="stable")]


def _without(held_out: np.ndarray, total: int) -> tuple[np.ndarray, np.ndarray]:
    mask = np.zeros(total, bool)
    mask[held_out] = True
    return np.flatnonzero(~mask), np.flatnonzero(mask)
