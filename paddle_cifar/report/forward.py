"""Run a trained network over its test images: logits, and what the last layer sees."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import paddle
from paddle import nn

from paddle_cifar.data.cifar100 import Cifar100
from paddle_cifar.data.load import load_archive
from paddle_cifar.data.loader import BatchLoader
from paddle_cifar.models.summary import count_parameters
from paddle_cifar.optim.groups import head_of
from paddle_cifar.report.record import Record
from paddle_cifar.trained import load_trained, used_here


@dataclass(frozen=True, eq=False)
class Predictions:
    """Of the first N test images: ``logits`` (N, 100) and ``features`` (N, F), float32.

    Of the network: its trainable ``params``, ``which`` checkpoint, saved after how many ``epochs``,
    and the ``arithmetic`` it ran in.
    """

    test_set: Cifar100
    logits: np.ndarray
    features: np.ndarray
    params: int
    which: str
    epochs: int
    arithmetic: str

    @property
    def labels(self) -> np.ndarray:
        """int64 (N,)."""
        return self.test_set.fine_labels[: len(self.logits)]


def predict_run(record: Record, overrides: dict[str, Any]) -> Predictions:
    """Predict the test images with the weights ``evaluate`` uses: the best where images were held out.

    Args:
        record: the run.
        overrides: config fields to replace: data_file, device, batch_size, threads, limit_steps.

    Raises:
        RunError: without weights, with those of another network or class count, without data.
    """
    config = used_here(record.config, {"limit_steps": 0, **overrides})
    trained = load_trained(record.run, config)
    archive = load_archive(config.dataset, config.data_file, config.synthetic_size)
    test_set = Cifar100.from_archive(archive, "test")
    loader = BatchLoader(
        test_set.images, test_set.fine_labels, config.batch_size, limit_steps=config.limit_steps
    )
    logits, features = forward(trained.network, loader)
    return Predictions(
        test_set,
        logits,
        features,
        count_parameters(trained.network),
        trained.which,
        trained.epochs,
        trained.arithmetic,
    )


def forward(network: nn.Layer, loader: BatchLoader) -> tuple[np.ndarray, np.ndarray]:
    """Logits (N, C) of every image of ``loader``, and the input (N, F) of the network's last layer."""
    network.eval()
    logits = []
    with last_layer_input(network) as features, paddle.no_grad():
        for image, _ in loader:
            logits.append(network(paddle.to_tensor(image)).numpy())
    return np.concatenate(logits), np.concatenate(features)


@contextmanager
def last_layer_input(network: nn.Layer) -> Iterator[list[np.ndarray]]:
    """Collect what the classifying layer is given, float32 (N, features) of each batch; maps are averaged."""
    batches: list[np.ndarray] = []

    def keep(_: nn.Layer, inputs: tuple[paddle.Tensor, ...]) -> None:
        values = inputs[0].astype("float32").numpy()
        batches.append(values.mean(axis=(2, 3)) if values.ndim == 4 else values)

    head = head_of(network)
    assert head is not None, "every network here has one"
    hook = head.register_forward_pre_hook(keep)
    try:
        yield batches
    finally:
        hook.remove()
