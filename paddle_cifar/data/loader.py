"""Batches for ``paddle.Model.fit``: images stay uint8 in memory and are handled a whole batch at a time.

``paddle.io.DataLoader`` calls Python once per image; here a batch is gathered,
augmented and normalised by a handful of numpy calls, which is more than ten
times as fast (``benchmarks/input_pipeline.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from paddle_cifar.data.augment import Augmentation, Chance, Mixing, augment, mix
from paddle_cifar.data.labels import FINE_NAMES
from paddle_cifar.data.resize import shrink
from paddle_cifar.errors import UsageError

Made = TypeVar("Made")

# Mean and standard deviation of the CIFAR-100 training images per channel (red,
# green, blue), pixels from 0 to 1; `python main.py stats` computes them.
CIFAR100_MEAN = (0.5071, 0.4865, 0.4409)
CIFAR100_STD = (0.2673, 0.2564, 0.2762)


def normalise(
    images: np.ndarray,
    mean: Sequence[float] = CIFAR100_MEAN,
    std: Sequence[float] = CIFAR100_STD,
) -> np.ndarray:
    """uint8 images (N, 3, H, W) to float32 of about zero mean and unit variance per channel."""
    offset = np.asarray(mean, np.float32).reshape(3, 1, 1) * np.float32(255)
    scale = 1 / (np.asarray(std, np.float32).reshape(3, 1, 1) * np.float32(255))
    normalised = images.astype(np.float32)
    normalised -= offset
    normalised *= scale
    return normalised


def channel_statistics(images: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel of uint8 images (N, 3, H, W), pixels counted from 0 to 1.

    Exact: computed from a histogram of the 256 values, in integers.
    """
    means, stds = [], []
    values = np.arange(256) / 255
    for channel in range(3):
        counts = np.bincount(images[:, channel].reshape(-1), minlength=256)
        mean = float(counts @ values / counts.sum())
        means.append(mean)
        stds.append(float(np.sqrt(counts @ (values - mean) ** 2 / counts.sum())))
    return tuple(means), tuple(stds)


class BatchLoader:
    """An iterable of ``(image, label)`` numpy batches that ``paddle.Model.fit`` and ``evaluate`` accept.

    Every batch depends only on (seed, epoch, step): a run that is resumed sees
    the very batches it would have seen. The image is float32 (N, 3, H, W),
    normalised; the label int64 (N,), or float32 (N, 100) where images are mixed.

    Args:
        images: uint8 (total, 3, H, W).
        labels: int64 (total,).
        batch_size: images per batch.
        augmentations: applied to every batch, in order.
        mixing: each batch is mixed in one of these ways, drawn at random.
        sides: pixels to which the images of each epoch are shrunk, after augmentation; empty for
            never. Epochs beyond the list take its last entry.
        shuffle: draw a new order each epoch.
        drop_last: leave out a last batch smaller than ``batch_size``.
        seed: of the order and of the augmentations.
        limit_steps: end after this many batches (0: no limit).
        part: which of how many processes this is; it is given its part of every batch. Sizes of
            parts differ by one image at most. The whole batch is augmented in every process, so that
            the batches are those of a single one, mixed images included.

    Raises:
        UsageError: with ``drop_last``, when not even one batch can be filled; with several
            processes, when one of them would have no image to train on.
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        batch_size: int,
        augmentations: Sequence[Augmentation] = (),
        mixing: Sequence[Mixing] = (),
        sides: Sequence[int] = (),
        shuffle: bool = False,
        drop_last: bool = False,
        seed: int = 0,
        limit_steps: int = 0,
        part: tuple[int, int] = (0, 1),
    ) -> None:
        if drop_last and batch_size > len(images):
            raise UsageError(
                f"--batch-size {batch_size} is larger than the {len(images)} training images: "
                "no batch can be filled; lower it or add --no-drop-last"
            )
        last = batch_size if drop_last else len(images) % batch_size or batch_size
        if part[1] > (last if shuffle else batch_size):
            raise UsageError(
                f"--batch-size {batch_size}, the last one {last}, is too small for {part[1]} processes; "
                "choose another one" + ("" if drop_last else " or --drop-last")
            )
        self.images, self.labels = images, labels
        self.batch_size, self.part = batch_size, part
        self.augmentations, self.mixing = list(augmentations), list(mixing)
        self.sides = list(sides)
        self.ahead = False  # on a GPU: make the next batch while this one is trained on
        self.shuffle, self.drop_last = shuffle, drop_last
        self.seed, self.epoch, self.first_step = seed, 0, 0
        steps = len(images) // batch_size if drop_last else -(-len(images) // batch_size)
        self.steps = min(steps, limit_steps) if limit_steps else steps

    def __len__(self) -> int:
        return self.steps

    def set_epoch(self, epoch: int, first_step: int = 0) -> None:
        """Choose the epoch (from 0) and the step in it at which the next iteration starts.

        Without a call whole epochs follow one another.
        """
        self.epoch, self.first_step = epoch, first_step

    def order(self, epoch: int) -> np.ndarray:
        """Indices (N,) of the images in the order of an epoch, counted from 0."""
        if not self.shuffle:
            return np.arange(len(self.images))
        return np.random.default_rng((self.seed, epoch)).permutation(len(self.images))

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        epoch, first_step = self.epoch, self.first_step
        self.set_epoch(epoch + 1)
        order = self.order(epoch)

        def batch(step: int) -> tuple[np.ndarray, np.ndarray]:
            return self._batch(order[step * self.batch_size : (step + 1) * self.batch_size], epoch, step)

        steps = range(first_step, self.steps)
        for image, label in one_ahead(batch, steps) if self.ahead else map(batch, steps):
            mine = self._part_of(len(image))
            # A last batch of an evaluation may have fewer images than there are processes.
            if mine.start < mine.stop:
                yield image[mine], label[mine]

    def _part_of(self, count: int) -> slice:
        """This process's part of ``count`` images."""
        rank, ranks = self.part
        return slice(count * rank // ranks, count * (rank + 1) // ranks)

    def sample(self, count: int) -> np.ndarray:
        """The first images of the next epoch, augmented but not normalised: uint8 (count, 3, H, W)."""
        chosen = self.order(self.epoch)[:count]
        return augment(self.images[chosen], self.augmentations, self._chance(chosen, self.epoch, step=0))

    def side(self, epoch: int) -> int:
        """The side of the images in an epoch, in pixels."""
        return self.sides[min(epoch, len(self.sides) - 1)] if self.sides else self.images.shape[-1]

    def _chance(self, chosen: np.ndarray, epoch: int, step: int) -> Chance:
        return Chance(np.random.default_rng((self.seed, epoch, step)), chosen, epoch, self.seed)

    def _batch(self, chosen: np.ndarray, epoch: int, step: int) -> tuple[np.ndarray, np.ndarray]:
        chance = self._chance(chosen, epoch, step)
        images = augment(self.images[chosen], self.augmentations, chance)
        # Shrunk and mixed as floats: nothing is rounded, and mixing is cheaper on small images.
        small = shrink(normalise(images), self.side(epoch))
        return mix(small, self.labels[chosen], self.mixing, chance, classes=len(FINE_NAMES))


def one_ahead(make: Callable[[int], Made], items: Iterable[int]) -> Iterator[Made]:
    """What ``map`` gives, made in a thread that is always one result ahead of its reader."""
    with ThreadPoolExecutor(1) as worker:
        made: Future[Made] | None = None
        for item in items:
            following = worker.submit(make, item)
            if made is not None:
                yield made.result()
            made = following
        if made is not None:
            yield made.result()
