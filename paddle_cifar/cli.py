"""The command line. Flags are made from ``TrainConfig``, so that no default lives in two places.

Paddle is imported only when a command needs it: ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
import time
import traceback
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from paddle_cifar.config import TrainConfig
from paddle_cifar.errors import RunError, UsageError, unknown_name
from paddle_cifar.models import MODEL_NAMES, check_model
from paddle_cifar.recipes import recipe
from paddle_cifar.report import LANGUAGES
from paddle_cifar.runs import resumed_run

STARTED = time.perf_counter()
FIELDS = {field.name: field for field in dataclasses.fields(TrainConfig)}
TYPES = typing.get_type_hints(TrainConfig)
DATA_FLAGS = ("dataset", "data_file", "synthetic_size", "debug")
EVALUATE_FLAGS = (
    "data_file",
    "batch_size",
    "device",
    "engine",
    "precision",
    "threads",
    "limit_steps",
    "debug",
)

EXAMPLES = {
    "train": "python main.py --epochs 20 --lr 0.01",
    "evaluate": "python main.py evaluate --run outputs/my-run",
    "report": "python main.py report --run outputs/my-run",
    "compare": "python main.py compare --runs outputs/first outputs/second",
    "models": "python main.py models",
    "stats": "python main.py stats --data-file cifar-100-python.tar.gz",
}


class Parser(argparse.ArgumentParser):
    """argparse that reports a wrong command line the way the rest of the program does."""

    def error(self, message: str) -> typing.NoReturn:
        """Raise instead of exiting, so that one place prints errors."""
        raise UsageError(f"{message} (see: {self.prog} --help)")


def add_flags(parser: argparse.ArgumentParser, names: Sequence[str]) -> None:
    """Add a flag for each named field of TrainConfig; one that is not given leaves no trace."""
    for name in names:
        field = FIELDS[name]
        arguments: dict[str, Any] = {
            "dest": name,
            "default": argparse.SUPPRESS,
            "help": field.metadata["help"]
            + ("" if field.default == "" or field.default is False else f" [{field.default}]"),
        }
        if TYPES[name] is bool:
            arguments["action"] = argparse.BooleanOptionalAction if field.default else "store_true"
        else:
            arguments["type"] = TYPES[name]
            choices = field.metadata["choices"]
            arguments["metavar"] = "|".join(choices) if choices else TYPES[name].__name__.upper()
        if name == "resume":
            arguments |= {"nargs": "?", "const": "newest", "metavar": "auto|PATH"}
        parser.add_argument("--" + name.replace("_", "-"), **arguments)


def build_parser() -> argparse.ArgumentParser:
    """The parser of every command; without a command name, ``train`` is meant."""
    parser = Parser(
        prog="python main.py",
        allow_abbrev=False,
        description="Train, evaluate and save ResNets on CIFAR-100 with PaddlePaddle. "
        "Without a COMMAND, train; its flags: python main.py train --help",
        epilog=f"example: {EXAMPLES['train']}",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)

    def command(name: str, help: str, flags: Sequence[str]) -> argparse.ArgumentParser:
        example = f"example: {EXAMPLES[name]}"
        sub = commands.add_parser(name, help=help, description=help, epilog=example, allow_abbrev=False)
        add_flags(sub, flags)
        return sub

    command("train", "train, evaluate and save a network (the default command)", list(FIELDS))
    evaluate = command("evaluate", "measure a trained network on the test images", EVALUATE_FLAGS)
    evaluate.add_argument("--run", required=True, metavar="PATH", help="folder of the run, outputs/<name>")
    evaluate.add_argument("--logits", action="store_true", help="also store logits and labels in logits.npz")
    report = command("report", "write report.html of a run, and its figures for VisualDL", EVALUATE_FLAGS)
    report.add_argument("--run", required=True, metavar="PATH", help="folder of the run, outputs/<name>")
    compare = command("compare", "put several runs into one table and one chart", EVALUATE_FLAGS)
    compare.add_argument("--runs", required=True, nargs="+", metavar="PATH", help="folders of the runs")
    compare.add_argument("--to", metavar="PATH", help="folder to write [comparison, beside the first run]")
    for sub in (report, compare):
        sub.add_argument("--lang", default="en", metavar="|".join(LANGUAGES), help="language of it [en]")
    models = command("models", "list the networks with parameters, size and cost", ("stem", "debug"))
    models.add_argument("names", nargs="*", metavar="MODEL", help="only these networks")
    command("stats", "mean and standard deviation of the training images", DATA_FLAGS)
    return parser


def run_train(given: dict[str, Any]) -> None:
    """Train with the recipe's settings, changed by the flags given."""
    config = dataclasses.replace(recipe(given.get("recipe", "default")), **given)
    resumed = resumed_run(config, given)
    prepare((resumed[1] if resumed else config).threads)
    from paddle_cifar.trainer import train

    train(config, given, STARTED)


def run_evaluate(given: dict[str, Any]) -> None:
    """Evaluate a run, print and store its scores."""
    folder, keep_logits = Path(given.pop("run")), given.pop("logits")
    dataclasses.replace(TrainConfig(), **given)  # refuses impossible values before Paddle is imported
    prepare(given.get("threads", 0))
    from paddle_cifar.evaluation import evaluate_run, summary_line

    evaluation = evaluate_run(folder, given, keep_logits)
    print(f"{evaluation['images']:,} test images of {evaluation['dataset']}: {summary_line(evaluation)}")
    print(f"saved in {folder / 'evaluation.json'}")


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


def prepare(threads: int = 0) -> None:
    """Import Paddle, with its threads set, and stop with one line when it cannot be used."""
    from paddle_cifar.environment import import_paddle

    import_paddle(threads)


COMMANDS: dict[str, Callable[[dict[str, Any]], None]] = {
    "train": run_train,
    "evaluate": run_evaluate,
    "report": run_report,
    "compare": run_compare,
    "models": run_models,
    "stats": run_stats,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, 1 run-time failure, 2 bad usage, 130 and 143 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a console may lack a character of a file's name
            stream.reconfigure(errors="backslashreplace")
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in ("-h", "--help")):
        arguments.insert(0, "train")
    try:
        given = vars(build_parser().parse_args(arguments))
        COMMANDS[given.pop("command")](given)
        return 0
    except KeyboardInterrupt:
        return _fail("\ninterrupted", 130)
    except BrokenPipeError:  # the reader, `head` for one, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _fail("error: the output was closed", 1) if arguments[0] == "train" else 0
    except RunError as error:
        return _fail(f"{error.prefix}{' '.join(str(error).split())}", error.exit_code, arguments)
    except Exception as error:
        message = " ".join(str(error).split())[:300]
        return _fail(f"error: {type(error).__name__}: {message} (--debug shows where)", 1, arguments)


def _fail(line: str, exit_code: int, arguments: Sequence[str] = ()) -> int:
    if "--debug" in arguments:
        traceback.print_exc()
    print(line, file=sys.stderr)
    return exit_code
