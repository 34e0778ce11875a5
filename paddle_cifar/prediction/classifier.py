"""``Classifier``: a trained network as something to ask, from Python, the command line or a web page.

from paddle_cifar import Classifier
classifier = Classifier.from_run("outputs/my-run")  # or Classifier.pretrained()
print(classifier.predict("cat.jpg")[0][0])
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import paddle
from PIL import Image

from paddle_cifar.config import TrainConfig
from paddle_cifar.data.labels import COARSE_NAMES, FINE_NAMES, FINE_TO_COARSE
from paddle_cifar.data.loader import normalise
from paddle_cifar.data.sizes import FULL_SIDE
from paddle_cifar.engine.folding import keep
from paddle_cifar.errors import RunError, UsageError
from paddle_cifar.prediction.images import fit_image, read_image
from paddle_cifar.prediction.pretrained import load_pretrained
from paddle_cifar.runs import RunFolder
from paddle_cifar.trained import Trained, load_trained, used_here
from paddle_cifar.tta import AveragedViews

# The engine reroutes functions of the whole process while a network runs, so one runs at a time.
_RUNNING = threading.Lock()

IMAGE = (3, FULL_SIDE, FULL_SIDE)


class Guess(NamedTuple):
    """A class the picture may show: its names and number, and the network's probability (0 to 1)."""

    name: str
    superclass: str
    label: int
    probability: float


class Classifier:
    """Predicts the class of pictures. Any number of threads may use one at the same time.

    Args:
        trained: the network and what runs it. Its weights must stay as they are from now on.
        batch_size: most images in one step of the network; as many as in ``evaluate`` give its very bits
            (where both find the same kernels the fastest).
        tta: views to average, a key of ``tta.VIEWS``; "none" for the image alone.
    """

    def __init__(self, trained: Trained, batch_size: int, tta: str = "none") -> None:
        self.trained, self.batch_size = trained, batch_size
        self.network = trained.network if tta == "none" else AveragedViews(trained.network, tta)
        self.network.eval()
        if trained.engine == "onednn":
            keep(trained.network)

    @classmethod
    def from_run(cls, folder: str | PathLike[str], **overrides: Any) -> Classifier:
        """The network of a run, with the weights that ``evaluate`` takes.

        Args:
            folder: outputs/<run>.
            overrides: fields of TrainConfig to replace: device, engine, precision, batch_size, tta.
                Test-time augmentation is off unless ``tta`` is given.

        Raises:
            RunError: for a folder without a run or without weights; UsageError for a wrong override.
        """
        run = RunFolder.existing(Path(folder))
        config = used_here(TrainConfig.read(run.config), {"tta": "none", **_known(overrides)})
        return cls(load_trained(run, config), config.batch_size, config.tta)

    @classmethod
    def pretrained(cls, **overrides: Any) -> Classifier:
        """The network that comes with the package; arguments as for :meth:`from_run`."""
        trained, config = load_pretrained({"tta": "none", **_known(overrides)})
        return cls(trained, config.batch_size, config.tta)

    def predict(self, images: Any, top: int = 5) -> list[list[Guess]]:
        """The ``top`` most probable classes of each image, the most probable first.

        Args:
            images: whatever :func:`as_images` takes.

        Raises:
            RunError: for an image that cannot be read, or weights that give no number; UsageError for
            a ``top`` outside 1 to 100.
        """
        check_top(top)
        logits = self.logits(images)
        if not np.isfinite(logits).all():
            raise RunError("the network's answer is not a number; its weights are damaged")
        probabilities = softmax(logits)
        # Stable, so that of equals the lower label comes first, as argmax has it.
        order = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
        return [
            [_guess(label, row[label]) for label in best]
            for row, best in zip(probabilities, order, strict=True)
        ]

    def logits(self, images: Any, normalised: bool = False) -> np.ndarray:
        """The network's outputs, float32 (N, 100).

        Args:
            images: whatever :func:`as_images` takes.
            normalised: ``images`` is float32 (N, 3, 32, 32), normalised already, as ``BatchLoader`` has them.
        """
        if normalised:
            batch = np.asarray(images)
            if batch.dtype != np.float32 or batch.shape[1:] != IMAGE:
                raise UsageError(f"normalised images are float32 (N, 3, 32, 32), not {_described(batch)}")
        else:
            batch = as_images(images)
        parts = [
            self._run(batch[first : first + self.batch_size], normalised)
            for first in range(0, len(batch), self.batch_size)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, len(FINE_NAMES)), np.float32)

    def alone(self) -> AbstractContextManager[Any]:
        """Held while a network runs, by whoever runs one in a program of several threads."""
        return _RUNNING

    def _run(self, batch: np.ndarray, normalised: bool) -> np.ndarray:
        image = batch if normalised else normalise(batch)
        with self.alone(), paddle.no_grad():
            return self.network(paddle.to_tensor(image)).astype("float32").numpy()


def as_images(images: Any) -> np.ndarray:
    """One picture or several as uint8 (N, 3, 32, 32).

    A picture is a path, a Pillow image, or an array of uint8: (3, 32, 32) as the data set has them, or
    (H, W, 3) of any size. Several are a list of these, or an array with one more axis in front.

    Raises:
        RunError: for a file that cannot be read; UsageError for anything else.
    """
    if isinstance(images, np.ndarray):
        return _from_array(images)
    if isinstance(images, (str, PathLike, Image.Image)) or not isinstance(images, Iterable):
        return _from_one(images)[None]
    found = [_from_one(image) for image in images]
    return np.stack(found) if found else np.zeros((0, *IMAGE), np.uint8)


def _from_one(image: Any) -> np.ndarray:
    if isinstance(image, (str, PathLike)):
        return read_image(Path(image)).image
    if isinstance(image, Image.Image):
        try:
            return fit_image(image)
        except RunError as error:
            raise RunError(f"the picture {error}") from error
    if isinstance(image, np.ndarray) and image.ndim == 3:
        return _from_array(image)[0]
    raise UsageError(f"a picture is a path, a Pillow image or a uint8 array, not {_described(image)}")


def _from_array(images: np.ndarray) -> np.ndarray:
    if images.dtype == np.uint8 and images.ndim in (3, 4):
        several = images if images.ndim == 4 else images[None]
        if several.shape[1:] == IMAGE:
            return several
        if several.shape[3] == 3 and several.size:
            return np.stack([fit_image(Image.fromarray(np.ascontiguousarray(each))) for each in several])
    raise UsageError(f"pictures are uint8 (N, 3, 32, 32) or (N, H, W, 3), not {_described(images)}")


def _described(value: Any) -> str:
    return f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__


def _guess(label: int, probability: float) -> Guess:
    return Guess(FINE_NAMES[label], COARSE_NAMES[FINE_TO_COARSE[label]], int(label), float(probability))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities (N, C), float64, of logits (N, C)."""
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def check_top(top: int) -> None:
    """Raise UsageError unless there are so many classes."""
    if not 1 <= top <= len(FINE_NAMES):
        raise UsageError(f"--top is {top}; it must be from 1 to {len(FINE_NAMES)}")


def _known(overrides: dict[str, Any]) -> dict[str, Any]:
    fields: Sequence[str] = [field.name for field in dataclasses.fields(TrainConfig)]
    if unknown := sorted(set(overrides) - set(fields)):
        raise UsageError(
            f"unknown settings: {', '.join(unknown)}; choose from device, engine, precision, batch_size, tta"
        )
    return overrides
