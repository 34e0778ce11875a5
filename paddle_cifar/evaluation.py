"""Evaluate a trained network on the test images, right after training or from a run's folder."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import paddle

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


def evaluate_model(model: paddle.Model, loader: BatchLoader) -> dict[str, float]:
    """Top-1, top-5 and superclass accuracy (fractions) and mean loss (nats) over all images of ``loader``."""
    logs = model.evaluate(loader, verbose=0, callbacks=shared_figures())
    scores = {name: float(logs[name]) for name in ("acc_top1", "acc_top5", "acc_coarse")}
    return {**scores, "loss": float(logs["mean_loss"])}


def evaluate_network(network: paddle.nn.Layer, loader: BatchLoader) -> dict[str, float]:
    """As :func:`evaluate_model`, of a network that is in no ``paddle.Model`` yet."""
    model = paddle.Model(
        network,
        paddle.static.InputSpec([None, 3, 32, 32], "float32", "image"),
        paddle.static.InputSpec([None], "int64", "label"),
    )
    model.prepare(metrics=build_metrics())
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
    loader = BatchLoader(
        test_set.images, test_set.fine_labels, config.batch_size, limit_steps=config.limit_steps
    )
    logits: list[np.ndarray] = []
    seen = trained.network.register_forward_post_hook(
        lambda _, __, output: logits.append(output.astype("float32").numpy())
    )
    try:
        scores = evaluate_network(trained.network, loader)
    finally:
        seen.remove()
    evaluation = {
        **scores,
        **evaluate_views(trained.network, loader, config.tta),
        "images": min(len(test_set), len(loader) * config.batch_size),
        "dataset": config.dataset,
        "data_sha256": test_set.sha256,
        "checkpoint": trained.which,
        "epochs": trained.epochs,
        "engine": trained.engine,
        "precision": trained.precision,
    }
    return evaluation, test_set, np.concatenate(logits)
