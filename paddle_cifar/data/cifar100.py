"""``Cifar100``: Paddle's data set of the same name, with superclasses, names and a safe reader."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import numpy.random  # before paddle: otherwise Paddle 2.6 fails with numpy 2 (zlib.error)
import paddle
from PIL import Image

from paddle_cifar.data.archive import SPLITS, Archive, read_archive
from paddle_cifar.data.labels import FINE_TO_COARSE
from paddle_cifar.data.locate import find_archive
from paddle_cifar.errors import RunError, unknown_name

BACKENDS = ("pil", "cv2")


class Cifar100(paddle.vision.datasets.Cifar100):
    """CIFAR-100 with the interface of ``paddle.vision.datasets.Cifar100``.

    An item is ``(image, label)``: the image (32, 32, 3) as a ``PIL.Image`` (backend "pil") or an
    array of Paddle's default float type, 0-255 (backend "cv2"), after ``transform``; the label an
    int64 array of shape (). Whole arrays, which need no item-wise access, are attributes:

    ``images`` uint8 (N, 3, 32, 32), ``fine_labels`` and ``coarse_labels`` int64 (N,),
    ``filenames``, ``fine_names`` (100), ``coarse_names`` (20), ``sha256`` of the archive.

    Raises ``RunError`` for an archive that is missing or damaged, ``UsageError`` for an
    unknown mode or backend. Two data sets from one reading: ``from_archive``.
    """

    def __init__(
        self,
        data_file: str | None = None,
        mode: str = "train",
        transform: Callable[[Any], Any] | None = None,
        download: bool = True,
        backend: str | None = None,
    ) -> None:
        # Not the parent's __init__: it unpickles unchecked, and later Paddle releases
        # refuse a repacked archive because its MD5 differs.
        path = find_archive(data_file, download)
        archive = read_archive(path, splits=[_known("mode", mode.lower(), SPLITS)])
        for warning in archive.warnings:
            warnings.warn(warning, stacklevel=2)
        self._fill(archive, mode, transform, backend)
        self.data_file = str(path)

    @classmethod
    def from_archive(
        cls,
        archive: Archive,
        mode: str = "train",
        transform: Callable[[Any], Any] | None = None,
        backend: str | None = None,
    ) -> Cifar100:
        """One split of an archive in memory, without a copy; reading the file twice costs seconds."""
        dataset = cls.__new__(cls)
        dataset._fill(archive, mode, transform, backend)
        return dataset

    def _fill(
        self, archive: Archive, mode: str, transform: Callable[[Any], Any] | None, backend: str | None
    ) -> None:
        self.mode = _known("mode", mode.lower(), SPLITS)
        self.backend = _known("backend", backend or paddle.vision.get_image_backend(), BACKENDS)
        self.data_file = None
        self.transform = transform
        self.dtype = paddle.get_default_dtype()
        self._init_url_md5_flag()  # the parent's data_url, data_md5 and flag
        split = archive.train if self.mode == "train" else archive.test
        if split is None:
            raise RunError(
                f"the archive was read without its {self.mode} split; add it to read_archive's splits"
            )
        self.images, self.filenames = split.images, split.filenames
        self.fine_labels, self.coarse_labels = split.fine_labels, split.coarse_labels
        self.fine_names, self.coarse_names = archive.fine_names, archive.coarse_names
        self.sha256 = archive.sha256

    @cached_property
    def data(self) -> list[tuple[np.ndarray, int]]:
        """The parent's list of (uint8 (3072,), label), built when first asked for."""
        return list(zip(self.images.reshape(len(self), 3072), self.fine_labels.tolist(), strict=True))

    @cached_property
    def fine_to_coarse(self) -> np.ndarray:
        """int64 (100,): the superclass of each class; for a class without images the published one."""
        table = np.array(FINE_TO_COARSE, dtype=np.int64)
        table[self.fine_labels] = self.coarse_labels
        return table

    def __getitem__(self, idx: int) -> tuple[Any, np.ndarray]:
        image: Any = self.images[idx].transpose(1, 2, 0)
        if self.backend == "pil":
            image = Image.fromarray(np.ascontiguousarray(image))
        if self.transform is not None:
            image = self.transform(image)
        if self.backend == "cv2":
            image = image.astype(self.dtype)
        return image, np.array(self.fine_labels[idx])

    def __len__(self) -> int:
        return len(self.images)


def _known(kind: str, name: str, known: tuple[str, ...]) -> str:
    if name not in known:
        raise unknown_name(kind, name, known)
    return name
