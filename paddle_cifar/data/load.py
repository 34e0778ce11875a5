"""From the name of a data set to its images."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from paddle_cifar.data.archive import Archive, read_archive
from paddle_cifar.data.locate import find_archive
from paddle_cifar.data.synthetic import make_synthetic

if TYPE_CHECKING:
    from paddle_cifar.data.cifar100 import Cifar100


def load_archive(dataset: str, data_file: str = "", synthetic_size: int = 5000) -> Archive:
    """The images, labels and names of ``cifar100`` or ``synthetic``.

    Args:
        dataset: "cifar100" or "synthetic"; never replaced by the other one.
        data_file: the archive's path; empty: look for it, then download.
        synthetic_size: training images of the stand-in; a fifth as many test images.

    Raises:
        RunError: when the archive is missing, corrupt or unsafe.
    """
    if dataset == "synthetic":
        return make_synthetic(synthetic_size, synthetic_size // 5)
    archive = read_archive(find_archive(data_file or None))
    for warning in archive.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    return archive


def load_datasets(dataset: str, data_file: str = "", synthetic_size: int = 5000) -> tuple[Cifar100, Cifar100]:
    """Training and test set, from one reading of the archive."""
    from paddle_cifar.data.cifar100 import Cifar100  # imports Paddle

    archive = load_archive(dataset, data_file, synthetic_size)
    return Cifar100.from_archive(archive, "train"), Cifar100.from_archive(archive, "test")
