"""A training run from beginning to end."""

from __future__ import annotations

import json
import shlex
import sys
import time
from pathlib import Path
from typing import Any

import paddle

from paddle_cifar import checkpoint, distributed
from paddle_cifar.assembly import build_loaders, build_model, initial_network
from paddle_cifar.atomic import write_json
from paddle_cifar.callbacks import WeightAverage
from paddle_cifar.config import TrainConfig
from paddle_cifar.data.cifar100 import Cifar100
from paddle_cifar.data.load import load_datasets
from paddle_cifar.data.sizes import FULL_SIDE
from paddle_cifar.environment import choose_device, machine_summary, versions
from paddle_cifar.errors import RunError
from paddle_cifar.evaluation import evaluate_model, evaluate_views, summary_line
from paddle_cifar.fit import fit, run_clock
from paddle_cifar.models.first_stage import first_stage
from paddle_cifar.models.sides import check_sides
from paddle_cifar.models.summary import count_parameters
from paddle_cifar.optim.shared import synchronised_norms
from paddle_cifar.precision import choose_arithmetic, restore_scaler
from paddle_cifar.rendezvous import held, load_together, open_together
from paddle_cifar.resuming import check_position, in_steps_of
from paddle_cifar.runs import RunFolder


def train(
    config: TrainConfig, given: dict[str, Any] | None = None, started: float | None = None
) -> dict[str, Any]:
    """Train, evaluate and save one network; as one of several processes where a launcher started them.

    Args:
        config: every setting of the run.
        given: the settings the user chose explicitly; a resumed run refuses those that contradict it.
        started: ``time.perf_counter()`` when the command began, for ``seconds`` in the result.

    Returns:
        The contents of result.json (empty for a run that is finished already, unless this is the writer).

    Raises:
        RunError, UsageError: one line that says what is wrong.
    """
    started = time.perf_counter() if started is None else started
    distributed.start(config.device)
    run, config, resumed, finished = open_together(config, given or {})
    if finished:
        print(f"{run.path} is finished already; see {run.result}")
        return read_result(run) if distributed.is_writer() else {}
    with held(run):
        return _train(run, config, resumed, started)


def read_result(run: RunFolder) -> dict[str, Any]:
    """The contents of a finished run's result.json."""
    try:
        return json.loads(run.result.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{run.result} is damaged ({error}); delete it and --resume {run.path}") from error


def _train(run: RunFolder, config: TrainConfig, resumed: bool, started: float) -> dict[str, Any]:
    saved = load_together(lambda: checkpoint.load_newest(run.saved())) if resumed else None
    progress = saved.progress if saved else {}
    clock = run_clock(started, progress)
    try:
        device, notes = choose_device(config.device)
        for note in notes:
            print(f"warning: {note}", file=sys.stderr)
        train_set, test_set = load_datasets(config.dataset, config.data_file, config.synthetic_size)
        check_position(config, progress, train_set.sha256)
        distributed.wait_for_all()  # one may have downloaded the data
        train_loader, eval_loader, test_loader = build_loaders(config, train_set, test_set)
        progress = in_steps_of(progress, len(train_loader))
        train_loader.ahead = eval_loader.ahead = test_loader.ahead = device != "cpu"
        network = synchronised_norms(initial_network(config, train_loader), device)
        check_sides(network, config.model, train_loader.sides)
        frozen = first_stage(network, config.model) if config.freeze_epochs else []
        choices = (config.engine, config.precision, not config.sam_rho)
        engine, precision, why = choose_arithmetic(network, device, *choices)
        model = build_model(config, network, precision, steps_per_epoch=len(train_loader))
        average = None
        if config.ema_decay:
            average = WeightAverage(network, config.ema_decay, progress.get("ema_steps", 0))
        if saved is not None:
            checkpoint.restore(saved, network, model._optimizer, average)
            restore_scaler(model, progress)
            # The rate of the next step: another one than saved where rate or batch size were changed.
            model._optimizer._learning_rate.step(progress["epochs"] * len(train_loader) + progress["step"])
        distributed.total([1.0])  # not before all of it has been found to work, in every process
        if distributed.is_writer():
            run.write_config(config)
    except BaseException:
        if distributed.is_writer():
            run.discard_unstarted()
        distributed.give_up()
        raise

    announce(config, run, why, network, train_set, progress)
    constants = {"data_sha256": train_set.sha256, "command": progress.get("command", command_line())}
    loaders = (train_loader, eval_loader)
    history, throughput = fit(config, run, model, *loaders, progress, clock, constants, average, frozen)
    row = history.rows[-1]
    if config.val_split:
        best = load_together(lambda: checkpoint.load(run.best))
        checkpoint.restore(checkpoint.evaluated(best), network, model._optimizer)
        row = history.rows[best.progress["epochs"] - 1]
    elif average is not None:
        average.swap()
    # Without held-out images an epoch ends with the test images: some, or small ones with fewer --epochs.
    known = not (config.holds_out or config.curve_images) and history.sides[-1] == FULL_SIDE
    scores = figures_of(row, "test") if known else evaluate_model(model, test_loader)
    views = evaluate_views(network, test_loader, config.tta)
    result = {
        **scores,
        **views,
        **({"val": figures_of(row, "val")} if config.holds_out else {}),
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
        "processes": distributed.RANKS,
        "engine": engine,
        "precision": precision,
        "versions": versions(),
        "machine": machine_summary(device),
        **constants,
    }
    if not distributed.is_writer():
        return result
    model.save(str(run.path / "final"))
    write_json(run.result, result)
    print(f"{result['test_images']:,} test images of {config.dataset}: {summary_line(scores)}")
    if views:
        print(f"mean of views ({config.tta}): {summary_line(views['tta'])}")
    print(f"saved in {run.path}; curves: visualdl --logdir {config.output} --language en")
    return result


def figures_of(row: dict[str, float], split: str) -> dict[str, float]:
    """What a row of the history says of ``split`` ("train", "val", "test"): loss and accuracies by name."""
    return {name.removeprefix(f"{split}_"): row[name] for name in row if name.startswith(f"{split}_")}


def command_line() -> str:
    """The command as it was typed, without the interpreter's path; a notebook's kernel was not typed."""
    if Path(sys.argv[0]).name == "ipykernel_launcher.py":
        return "train(config), in a notebook"
    return shlex.join(["python", Path(sys.argv[0]).name, *sys.argv[1:]])


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
    processes = f" over {distributed.RANKS} processes" if distributed.several() else ""
    batch = f"batch {config.batch_size}{processes}"
    print(f"{config.epochs} epochs, {batch}, {config.optimizer} at {config.lr:g}; {why}")
    if progress:
        print(f"resuming {run.path} in epoch {progress['epochs'] + 1} after step {progress['step']}")
    print(f"run folder: {run.path}", flush=True)
