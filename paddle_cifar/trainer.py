"""A training run from beginning to end; reads as a table of contents."""

from __future__ import annotations

import json
import shlex
import sys
import time
from pathlib import Path
from typing import Any

import paddle

from paddle_cifar import checkpoint
from paddle_cifar.callbacks import WeightAverage
from paddle_cifar.config import TrainConfig
from paddle_cifar.data.augment import build_augmentations, build_mixing
from paddle_cifar.data.cifar100 import Cifar100
from paddle_cifar.data.load import load_datasets
from paddle_cifar.data.loader import BatchLoader, normalise
from paddle_cifar.data.sizes import epoch_sides
from paddle_cifar.data.split import held_out_images
from paddle_cifar.environment import choose_device, machine_summary, versions
from paddle_cifar.errors import RunError
from paddle_cifar.evaluation import evaluate_model, evaluate_views, evaluation_batches, summary_line
from paddle_cifar.fit import fit, run_clock
from paddle_cifar.metrics import build_metrics
from paddle_cifar.models import build_network
from paddle_cifar.models.initial import initialise
from paddle_cifar.models.sides import check_sides
from paddle_cifar.models.summary import count_parameters
from paddle_cifar.optim import SharpnessAware, build_loss, build_optimizer, build_schedule
from paddle_cifar.precision import amp_configs, choose_arithmetic, restore_scaler
from paddle_cifar.runs import RunFolder, open_run

# How many training images airbench's networks see before the first step; more change nothing.
WHITENING_IMAGES = 2000


def train(
    config: TrainConfig, given: dict[str, Any] | None = None, started: float | None = None
) -> dict[str, Any]:
    """Train, evaluate and save one network.

    Args:
        config: every setting of the run.
        given: the settings the user chose explicitly; a resumed run refuses those that contradict it.
        started: ``time.perf_counter()`` when the command began, for ``seconds`` in the result.

    Returns:
        The contents of result.json.

    Raises:
        RunError, UsageError: one line that says what is wrong.
    """
    started = time.perf_counter() if started is None else started
    run, config, resumed = open_run(config, given or {})
    if resumed and run.result.exists():
        print(f"{run.path} is finished already; see {run.result}")
        return read_result(run)
    with run.locked():
        return _train(run, config, resumed, started)


def read_result(run: RunFolder) -> dict[str, Any]:
    """The contents of a finished run's result.json."""
    try:
        return json.loads(run.result.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{run.result} is damaged ({error}); delete it and --resume {run.path}") from error


def _train(run: RunFolder, config: TrainConfig, resumed: bool, started: float) -> dict[str, Any]:
    saved = checkpoint.load_newest(run.saved()) if resumed else None
    progress = saved.progress if saved else {}
    clock = run_clock(started, progress)
    try:
        device, notes = choose_device(config.device)
        for note in notes:
            print(f"warning: {note}", file=sys.stderr)
        train_set, test_set = load_datasets(config.dataset, config.data_file, config.synthetic_size)
        check_same_data(progress, train_set.sha256)
        train_loader, eval_loader, test_loader = build_loaders(config, train_set, test_set)
        network = initial_network(config, train_loader)
        check_sides(network, config.model, train_loader.sides)
        engine, precision, why = choose_arithmetic(network, device, config.engine, config.precision)
        model = build_model(config, network, precision, steps_per_epoch=len(train_loader))
        average = None
        if config.ema_decay:
            average = WeightAverage(network, config.ema_decay, progress.get("ema_steps", 0))
        if saved is not None:
            checkpoint.restore(saved, network, model._optimizer, average)
            restore_scaler(model, progress)
    except BaseException:
        run.discard_unstarted()
        raise

    announce(config, run, why, network, train_set, progress)
    constants = {"data_sha256": train_set.sha256, "command": progress.get("command", command_line())}
    loaders = (train_loader, eval_loader)
    history, throughput = fit(config, run, model, *loaders, progress, clock, constants, average)
    row = history.rows[-1]
    if config.val_split:
        best = checkpoint.load(run.best)
        checkpoint.restore(checkpoint.evaluated(best), network, model._optimizer)
        row = history.rows[best.progress["epochs"] - 1]
    elif average is not None:
        average.swap()
    scores = evaluate_model(model, test_loader)
    views = evaluate_views(network, test_loader, config.tta)
    model.save(str(run.path / "final"))

    result = {
        **scores,
        **views,
        **held_out_scores(row),
        "epochs": len(history.rows),
        "checkpoint": "best" if config.val_split else "last",
        "seconds": clock(),
        "images_per_second": throughput.images_per_second,
        "model": config.model,
        "stem": config.stem,
        "recipe": config.recipe,
        "params": count_parameters(network),
        "dataset": config.dataset,
        "test_images": min(len(test_set), len(test_loader) * config.batch_size),
        "limit_steps": config.limit_steps,
        "seed": config.seed,
        "engine": engine,
        "precision": precision,
        "versions": versions(),
        "machine": machine_summary(device),
        **constants,
    }
    checkpoint.write_json(run.result, result)
    print(f"{result['test_images']:,} test images of {config.dataset}: {summary_line(scores)}")
    if views:
        print(f"mean of views ({config.tta}): {summary_line(views['tta'])}")
    print(f"saved in {run.path}; curves: visualdl --logdir {config.output} --language en")
    return result


def held_out_scores(row: dict[str, float]) -> dict[str, Any]:
    """The figures of the images held out, under ``val``, from the history's row; empty without any."""
    figures = {name.removeprefix("val_"): row[name] for name in row if name.startswith("val_")}
    return {"val": figures} if figures else {}


def command_line() -> str:
    """The command as it was typed, without the interpreter's path."""
    return shlex.join(["python", Path(sys.argv[0]).name, *sys.argv[1:]])


def check_same_data(progress: dict[str, Any], sha256: str) -> None:
    """Refuse to resume on other data: the held-out images would be others, some of them trained on."""
    began_on = progress.get("data_sha256", sha256)
    if began_on != sha256:
        raise RunError(
            f"the run began on data with SHA-256 {began_on[:12]}..., these have {sha256[:12]}...; "
            "give the same file with --data-file"
        )


def build_loaders(
    config: TrainConfig, train_set: Cifar100, test_set: Cifar100
) -> tuple[BatchLoader, BatchLoader, BatchLoader]:
    """Training batches, those evaluated after each epoch, and the test batches.

    After each epoch the images held out are evaluated, or, when there are none, the
    test images: then that curve is only shown, nothing is chosen by it.
    """
    images, labels = train_set.images, train_set.fine_labels
    limits = (config.batch_size, config.limit_steps)
    test_loader = eval_loader = evaluation_batches(test_set.images, test_set.fine_labels, *limits)
    if config.holds_out:
        kept, held_out = held_out_images(labels, config.val_split, config.kfold, config.fold, config.seed)
        eval_loader = evaluation_batches(images[held_out], labels[held_out], *limits)
        images, labels = images[kept], labels[kept]
    train_loader = BatchLoader(
        images,
        labels,
        config.batch_size,
        build_augmentations(config.augment),
        build_mixing(config.augment),
        epoch_sides(config.sizes, config.epochs),
        shuffle=True,
        drop_last=config.drop_last,
        seed=config.seed,
        limit_steps=config.limit_steps,
    )
    return train_loader, eval_loader, test_loader


def initial_network(config: TrainConfig, train_loader: BatchLoader) -> paddle.nn.Layer:
    """The network with the weights a run begins with; they follow from the seed."""
    paddle.seed(config.seed)
    network = build_network(config.model, config.stem)
    initialise(network, config.init, config.init_scale)
    if hasattr(network, "whiten"):
        network.whiten(normalise(train_loader.images[:WHITENING_IMAGES]))
    return network


def build_model(
    config: TrainConfig,
    network: paddle.nn.Layer,
    precision: str,
    steps_per_epoch: int,
    lr_scheduler: paddle.optimizer.lr.LRScheduler | None = None,
) -> paddle.Model:
    """``paddle.Model`` of the network, prepared with optimizer, loss and metrics.

    ``lr_scheduler`` takes the place of the config's rate and schedule.
    """
    lr_scheduler = lr_scheduler or build_schedule(
        config.schedule,
        config.lr,
        total_steps=config.epochs * steps_per_epoch,
        warmup_steps=round(config.warmup_epochs * steps_per_epoch),
        power=config.schedule_power,
        hold_share=config.hold_share,
    )
    optimizer = build_optimizer(
        config.optimizer,
        network,
        lr_scheduler,
        config.weight_decay,
        config.momentum,
        config.grad_clip,
        config.head_lr,
        config.norm_lr,
        config.lookahead_steps,
        config.lookahead_share,
        config.muon_steps,
        config.muon_renormalize,
    )
    loss = build_loss(config.loss, config.label_smoothing, config.focal_gamma)
    if config.sam_rho:
        if precision == "fp16":  # chosen by itself, for a GPU without bf16
            raise RunError("--sam-rho cannot scale the loss as fp16 needs it; add --precision float32")
        SharpnessAware(optimizer, network, loss, config.sam_rho, config.sam_adaptive)
    model = paddle.Model(
        network,
        paddle.static.InputSpec([None, 3, 32, 32], "float32", "image"),
        paddle.static.InputSpec([None], "int64", "label"),
    )
    model.prepare(
        optimizer,
        loss,
        build_metrics(),
        amp_configs=amp_configs(precision),
    )
    # paddle.Model makes its loss scaler at the first step; made here, a resumed run can restore it.
    model._scaler = paddle.amp.GradScaler() if precision == "fp16" else None
    return model


def announce(
    config: TrainConfig,
    run: RunFolder,
    why: str,
    network: paddle.nn.Layer,
    dataset: Cifar100,
    progress: dict[str, Any],
) -> None:
    """Say in a few lines what is about to happen."""
    data = f"{len(dataset):,} images of " + (
        "CIFAR-100" if config.dataset == "cifar100" else "the drawn stand-in (not CIFAR-100)"
    )
    print(f"{config.model} ({config.stem} stem, {count_parameters(network):,} parameters) on {data}")
    print(f"{config.epochs} epochs, batch {config.batch_size}, {config.optimizer} at {config.lr:g}; {why}")
    if progress:
        print(f"resuming {run.path} in epoch {progress['epochs'] + 1} after step {progress['step']}")
    print(f"run folder: {run.path}", flush=True)
