"""What each command does, once its flags are read. Each imports what it needs: most need Paddle."""

from __future__ import annotations

import dataclasses
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from paddle_cifar import distributed
from paddle_cifar.config import TrainConfig
from paddle_cifar.environment import check_builds, installed_builds
from paddle_cifar.errors import UsageError, unknown_name
from paddle_cifar.models import MODEL_NAMES, check_model
from paddle_cifar.recipes import configure
from paddle_cifar.report import LANGUAGES
from paddle_cifar.resuming import resumed_run
from paddle_cifar.use_commands import run_demo, run_export, run_pack, run_predict

STARTED = time.perf_counter()


def run_train(given: dict[str, Any]) -> None:
    """Train with the recipe's settings, changed by the flags given."""
    config = configure(given)
    # Several processes must meet before one of them may fail over what it finds, so they look later.
    resumed = None if distributed.several() else resumed_run(config, given)
    prepare((resumed[1] if resumed else config).threads)
    from paddle_cifar.trainer import train

    train(config, given, STARTED)


def run_evaluate(given: dict[str, Any]) -> None:
    """Evaluate a run, print and store its scores; without a run the pretrained weights, storing nothing."""
    run, keep_logits = given.pop("run"), given.pop("logits")
    if keep_logits and run is None:
        raise UsageError("--logits are stored in the folder of a run; add --run outputs/<name>")
    dataclasses.replace(TrainConfig(), **given)  # refuses impossible values before Paddle is imported
    prepare(given.get("threads", 0))
    from paddle_cifar.evaluation import evaluate_run, summary_line
    from paddle_cifar.prediction.pretrained import evaluate_pretrained

    evaluation = evaluate_pretrained(given) if run is None else evaluate_run(Path(run), given, keep_logits)
    print(f"{evaluation['images']:,} test images of {evaluation['dataset']}: {summary_line(evaluation)}")
    if "tta" in evaluation:
        print(f"mean of views ({evaluation['tta']['views']}): {summary_line(evaluation['tta'])}")
    if run is not None:
        print(f"saved in {Path(run) / 'evaluation.json'}")


def run_report(given: dict[str, Any]) -> None:
    """Write report.html, report.json and the figures for VisualDL into a run's folder."""
    folder, language = Path(given.pop("run")), checked_language(given)
    dataclasses.replace(TrainConfig(), **given)
    prepare(given.get("threads", 0))
    from paddle_cifar.report import report_run
    from paddle_cifar.report.paths import shown, visualdl_command

    page = report_run(folder, given, language)
    print(f"report: {shown(page)}")
    print(f"figures, embeddings and graph: {visualdl_command(folder.resolve().parent)}")


def run_compare(given: dict[str, Any]) -> None:
    """Print the table of several runs and write it with charts and a page."""
    folders, to = [Path(run) for run in given.pop("runs")], given.pop("to")
    language = checked_language(given)
    dataclasses.replace(TrainConfig(), **given)
    prepare(given.get("threads", 0))
    from paddle_cifar.report import compare_runs
    from paddle_cifar.report.paths import shown, visualdl_command

    written, table = compare_runs(folders, Path(to) if to else None, given, language)
    print(table, end="")
    print(f"saved in {shown(written)}: compare.html, table.md, table.csv, scores.svg, curves.svg")
    print(f"hyper-parameters against scores: {visualdl_command(written / 'vdl')}")


def checked_language(given: dict[str, Any]) -> str:
    """Take ``--lang`` out of the flags; UsageError for a language there is no page in."""
    language = given.pop("lang")
    if language not in LANGUAGES:
        raise unknown_name("language", language, LANGUAGES)
    return language


def run_models(given: dict[str, Any]) -> None:
    """Print the table of networks."""
    stem = given.get("stem", TrainConfig.stem)
    for name in given["names"]:
        check_model(name, stem)
    prepare()
    from paddle_cifar.models.summary import format_table, summarize_models

    for line in format_table(summarize_models(given["names"] or MODEL_NAMES, stem)):
        print(line, flush=True)


def run_stats(given: dict[str, Any]) -> None:
    """Print mean and standard deviation per channel."""
    from paddle_cifar.data.load import load_archive
    from paddle_cifar.data.loader import channel_statistics

    config = dataclasses.replace(TrainConfig(), **given)
    archive = load_archive(config.dataset, config.data_file, config.synthetic_size)
    mean, std = channel_statistics(archive.train.images)
    print(f"{len(archive.train.images):,} training images of {config.dataset}, pixels from 0 to 1")
    print("       red    green  blue")
    print("mean  " + " ".join(f"{value:.4f}" for value in mean))
    print("std   " + " ".join(f"{value:.4f}" for value in std))


def run_bench(given: dict[str, Any]) -> None:
    """Print the table of training speeds on this CPU."""
    from paddle_cifar.bench import run_contests

    check_builds(installed_builds())
    print(run_contests(given["names"], given["batch_size"], given["rounds"]))


def run_find_lr(given: dict[str, Any]) -> None:
    """Print a suggested rate; write the curve behind it."""
    steps, start, end = given.pop("steps"), given.pop("start"), given.pop("end")
    config = configure(given)
    prepare(config.threads)
    from paddle_cifar.lr_finder import find_lr, save_range_test
    from paddle_cifar.report.paths import shown

    def progress(step: int, rate: float, loss: float) -> None:
        if step % max(1, steps // 10) == 0:
            print(f"step {step}/{steps} - lr {rate:.3g} - loss {loss:.4f}", flush=True)

    test = find_lr(config, steps, start, end, on_step=progress)
    if math.isclose(test.lowest, end):  # of a range that ended early the end is where the loss rose
        print(f"warning: the loss still falls at {end:g}, the end of the range; raise --to", file=sys.stderr)
    folder = Path(config.output) / f"find-lr-{config.model}"
    save_range_test(test, folder)
    print(
        f"suggested --lr {test.suggestion:.2g}: a tenth of the rate of the lowest loss ({test.lowest:.2g});"
        f" the loss falls fastest at {test.steepest:.2g}"
    )
    print(f"saved in {shown(folder)}: lr_finder.png, lr_finder.svg, lr_finder.csv")


def run_ablate(given: dict[str, Any]) -> None:
    """Train what is left of a study, print its table."""
    from paddle_cifar.ablation.ablate import ablate
    from paddle_cifar.ablation.plan import plan
    from paddle_cifar.report.paths import shown

    keep_weights, study = given.pop("keep_weights"), given.pop("study")
    to, seeds, only = given.pop("to"), given.pop("seeds"), given.pop("only")
    planned = plan(study, given, seeds, only, to or f"outputs/ablation-{study}")
    folder, table = ablate(planned, keep_weights)
    print(table, end="")
    print(f"saved in {shown(folder)}: table.md, table.csv, chart.svg")


def prepare(threads: int = 0) -> None:
    """Import Paddle, with its threads set, and stop with one line when it cannot be used."""
    from paddle_cifar.environment import import_paddle

    import_paddle(threads)


COMMANDS: dict[str, Callable[[dict[str, Any]], None]] = {
    "train": run_train,
    "evaluate": run_evaluate,
    "predict": run_predict,
    "export": run_export,
    "pack": run_pack,
    "demo": run_demo,
    "report": run_report,
    "compare": run_compare,
    "models": run_models,
    "stats": run_stats,
    "bench": run_bench,
    "find-lr": run_find_lr,
    "ablate": run_ablate,
}
