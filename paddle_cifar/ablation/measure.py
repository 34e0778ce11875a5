"""What a finished run of a study scores on the images it held out."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from paddle_cifar.ablation.plan import PlannedRun
from paddle_cifar.atomic import write_json
from paddle_cifar.data.archive import Archive
from paddle_cifar.data.loader import BatchLoader
from paddle_cifar.data.split import held_out_images
from paddle_cifar.report.evaluate import evaluate_predictions
from paddle_cifar.report.forward import forward
from paddle_cifar.trained import load_trained
from paddle_cifar.tta import AveragedViews

SCORES = ("top1_error", "top5_error", "accuracy", "mAP")
MEASURES_JSON = "measures.json"


def measures_of(planned: PlannedRun, archive: Archive, keep_weights: bool = True) -> dict[str, Any]:
    """Scores of the last epoch's weights, from measures.json in the run's folder, or made and put there.

    The last epoch, not the best one: the best of several looks at the same images flatters noisy runs.

    Args:
        keep_weights: otherwise checkpoints and final weights are removed once the scores are stored.

    Returns:
        ``split`` ("val" or "test"), ``images``, ``top1_error``, ``top5_error``, ``accuracy``, ``mAP``
        (fractions), and ``accuracy_tta`` with test-time augmentation.
    """
    run, config = planned.folder, planned.config
    path = run.path / MEASURES_JSON
    with contextlib.suppress(OSError, ValueError):
        measures = json.loads(path.read_text(encoding="utf-8"))
        # Test-time augmentation may have been asked for afterwards.
        if config.tta in ("none", measures.get("tta")):
            return measures
        if not run.saved():
            print(
                f"warning: {run.path.name} was measured without --tta {config.tta}, "
                "and its weights are gone (--keep-weights keeps them)",
                file=sys.stderr,
            )
            return {name: value for name, value in measures.items() if name not in ("tta", "accuracy_tta")}
    trained = load_trained(run, dataclasses.replace(config, val_split=0, patience=0))
    loader, split = evaluated_images(planned, archive)
    labels = loader.labels
    scores = evaluate_predictions(forward(trained.network, loader)[0], labels).scores
    measures = {"split": split, "images": len(labels), **{name: scores[name] for name in SCORES}}
    if config.tta != "none":
        logits, _ = forward(AveragedViews(trained.network, config.tta), loader)
        measures |= {"tta": config.tta, "accuracy_tta": float((logits.argmax(axis=1) == labels).mean())}
    write_json(path, measures)
    if not keep_weights:
        remove_weights(run.path)
    return measures


def evaluated_images(planned: PlannedRun, archive: Archive) -> tuple[BatchLoader, str]:
    """Batches of the images a run held out, else of the test images; and which: "val" or "test"."""
    config = planned.config
    if not config.holds_out:
        return BatchLoader(archive.test.images, archive.test.fine_labels, config.batch_size), "test"
    labels = archive.train.fine_labels
    _, held_out = held_out_images(labels, config.val_split, config.kfold, config.fold, config.seed)
    return BatchLoader(archive.train.images[held_out], labels[held_out], config.batch_size), "val"


def remove_weights(run: Path) -> None:
    """Remove checkpoints and final weights; settings, history, result and curves stay."""
    shutil.rmtree(run / "checkpoints", ignore_errors=True)
    for name in ("final.pdparams", "final.pdopt", "final.pdscaler"):
        with contextlib.suppress(OSError):
            (run / name).unlink(missing_ok=True)
