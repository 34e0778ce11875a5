"""Evaluate a trained network on the test images, right after training or from a run's folder."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle.metric import Metric

from paddle_cifar.atomic import write_atomically, write_json
from paddle_cifar.callbacks.shared import shared_figures
from paddle_cifar.config import TrainConfig
from paddle_cifar.data.cifar100 import Cifar100
from paddle_cifar.data.load import load_datasets
from paddle_cifar.data.loader import BatchLoader
from paddle_cifar.errors import RunError
from paddle_cifar.metrics import build_metrics
from paddle_cifar.runs import RunFolder
from paddle_cifar.trained import Trained, load_trained, used_here
from paddle_cifar.tta import AveragedViews


class CollectLogits(Metric):
    """Not a number but a by-product: keeps the logits (N, C) of every batch that is evaluated."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[np.ndarray] = []

    def reset(self) -> None:
        """``paddle.Model`` resets metrics after an evaluation too, so the logits are kept."""

    def update(self, logits: np.ndarray) -> float:
        """Keep the logits of a batch."""
        self.batches.append(np.asarray(logits, np.float32))
        return 0.0

    def accumulate(self) -> float:
        """Nothing to report."""
        return 0.0

    def name(self) -> str:
        """The key in Paddle's logs, unused."""
        return "logits"

    def compute(self, logits: paddle.Tensor, label: paddle.Tensor) -> paddle.Tensor:
        """The logits as they are."""
        return logits


def evaluate_model(model: paddle.Model, loader: BatchLoader) -> dict[str, float]:
    """Top-1, top-5 and superclass accuracy (fractions) and mean loss (nats) over all images of ``loader``."""
    logs = model.evaluate(loader, verbose=0, callbacks=shared_figures())
    scores = {name: float(logs[name]) for name in ("acc_top1", "acc_top5", "acc_coarse")}
    return {**scores, "loss": float(logs["mean_loss"])}


def evaluation_batches(
    images: np.ndarray,
    labels: np.ndarray,
    batch_size: int,
    limit_steps: int = 0,
    sides: Sequence[int] = (),
    part: tuple[int, int] = (0, 1),
) -> BatchLoader:
    """Batches as every evaluation sees them: all images once, in order, not augmented.

    Args:
        images: uint8 (N, 3, H, W).
        labels: integers (N,).
        batch_size: images a batch.
        limit_steps: end after so many batches (0: none is left out).
        sides: of each epoch's images, in pixels, for the curve of a run that trains on smaller images
            first: a network that has only seen those says little about large ones.
        part: which of how many processes this is.
    """
    return BatchLoader(images, labels, batch_size, limit_steps=limit_steps, sides=sides, part=part)


def evaluate_network(
    network: paddle.nn.Layer, loader: BatchLoader, by_products: Sequence[Metric] = ()
) -> dict[str, float]:
    """As :func:`evaluate_model`, of a network that is in no ``paddle.Model`` yet."""
    model = paddle.Model(
        network,
        paddle.static.InputSpec([None, 3, 32, 32], "float32", "image"),
        paddle.static.InputSpec([None], "int64", "label"),
    )
    model.prepare(metrics=[*build_metrics(), *by_products])
    return evaluate_model(model, loader)


def evaluate_views(network: paddle.nn.Layer, loader: BatchLoader, tta: str) -> dict[str, Any]:
    """The scores of test-time augmentation, and which ``views`` were averaged; empty for "none".

    They stand beside the scores of the single view, never in their place.
    """
    if tta == "none":
        return {}
    return {"tta": {"views": tta, **evaluate_network(AveragedViews(network, tta), loader)}}


def summary_line(scores: dict[str, float]) -> str:
    """The scores in one line."""
    return (
        f"acc_top1 {scores['acc_top1']:.4f} - acc_top5 {scores['acc_top5']:.4f}"
        f" - acc_coarse {scores['acc_coarse']:.4f} - loss {scores['loss']:.4f}"
    )


def evaluate_run(folder: Path, overrides: dict[str, Any], keep_logits: bool = False) -> dict[str, Any]:
    """Evaluate a run's weights on its test images and store evaluation.json beside them.

    Uses the best checkpoint where validation images chose one, else the last.

    Args:
        folder: outputs/<run>.
        overrides: config fields to replace: data_file, device, batch_size, threads, limit_steps, tta.
        keep_logits: also store logits.npz with logits (N, 100) and labels (N,), of the single view.

    Returns:
        The contents of evaluation.json: scores of the single view and, with test-time augmentation,
        those of the averaged views under ``tta``.

    Raises:
        RunError: without the run, its weights or the data, or when its folder cannot be written.
    """
    run = RunFolder.existing(folder)
    config = used_here(TrainConfig.read(run.config), {"limit_steps": 0, **overrides})
    if not os.access(folder, os.W_OK):
        raise RunError(f"cannot write evaluation.json to {folder}; make the folder writable")
    trained = load_trained(run, config)
    evaluation, test_set, logits = evaluate_trained(trained, config)
    write_json(run.path / "evaluation.json", evaluation)
    if keep_logits:
        stored = io.BytesIO()
        np.savez_compressed(stored, logits=logits, labels=test_set.fine_labels[: len(logits)])
        write_atomically(run.path / "logits.npz", stored.getvalue())
    return evaluation


def evaluate_trained(trained: Trained, config: TrainConfig) -> tuple[dict[str, Any], Cifar100, np.ndarray]:
    """Evaluate a network on the test images of ``config``.

    Returns:
        The contents of evaluation.json, the test set, and the logits (N, 100) of the single view.
    """
    _, test_set = load_datasets(config.dataset, config.data_file, config.synthetic_size)
    loader = evaluation_batches(test_set.images, test_set.fine_labels, config.batch_size, config.limit_steps)
    logits = CollectLogits()
    evaluation = {
        **evaluate_network(trained.network, loader, [logits]),
        **evaluate_views(trained.network, loader, config.tta),
        "images": min(len(test_set), len(loader) * config.batch_size),
        "dataset": config.dataset,
        "data_sha256": test_set.sha256,
        "checkpoint": trained.which,
        "epochs": trained.epochs,
        "engine": trained.engine,
        "precision": trained.precision,
    }
    return evaluation, test_set, np.concatenate(logits.batches)
