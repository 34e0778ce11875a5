"""The command line. Flags are made from ``TrainConfig``, so that no default lives in two places.

Paddle is imported only when a command needs it: ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import os
import sys
import traceback
import typing
from collections.abc import Sequence
from typing import Any

from paddle_cifar import distributed
from paddle_cifar.ablation.studies import STUDIES
from paddle_cifar.commands import COMMANDS
from paddle_cifar.config import TrainConfig
from paddle_cifar.errors import RunError, UsageError, flag
from paddle_cifar.recipes import recipe
from paddle_cifar.report import LANGUAGES
from paddle_cifar.use_flags import RUN_OR_PRETRAINED, add_use_commands

FIELDS = {field.name: field for field in dataclasses.fields(TrainConfig)}
TYPES = typing.get_type_hints(TrainConfig)
DEFAULT = recipe("default")  # its values are shown in --help
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

# What makes a run; where it is kept and how it is saved has no meaning for a range test.
FIND_LR_FLAGS = tuple(
    name
    for name in FIELDS
    if name
    not in """name resume allow_changes keep save_steps log_freq on_nan patience lr schedule warmup_epochs
    tta ema_decay""".split()
)
ABLATE_FLAGS = tuple(name for name in FIELDS if name not in "name output resume allow_changes keep".split())

EXAMPLES = {
    "train": "python main.py --epochs 20 --lr 0.01",
    "evaluate": "python main.py evaluate --run outputs/my-run",
    "predict": "python main.py predict cat.jpg photos/ --run outputs/my-run",
    "export": "python main.py export --run outputs/my-run --format onnx",
    "demo": "python main.py demo --run outputs/my-run --lang zh",
    "pack": "python main.py pack --run outputs/my-run --to paddle_cifar/weights/cifar100.safetensors",
    "report": "python main.py report --run outputs/my-run",
    "compare": "python main.py compare --runs outputs/first outputs/second",
    "models": "python main.py models",
    "stats": "python main.py stats --data-file cifar-100-python.tar.gz",
    "bench": "python main.py bench",
    "find-lr": "python main.py find-lr --model resnet18 --steps 100 --from 1e-5 --to 10",
    "ablate": "python main.py ablate --study augment --epochs 3 --val-split 5000 --seeds 2",
}


class Parser(argparse.ArgumentParser):
    """argparse that reports a wrong command line the way the rest of the program does."""

    def parse_known_args(  # type: ignore[override]
        self, args: Any = None, namespace: Any = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """As argparse's, but where an unknown flag is nearly one of this command's, that one is named."""
        known, unknown = super().parse_known_args(args, namespace)
        for given in (word.split("=")[0] for word in unknown if word.startswith("--")):
            if near := difflib.get_close_matches(given, self._option_string_actions, n=2, cutoff=0.75):
                raise UsageError(f"unknown flag {given}; did you mean {' or '.join(near)}?")
        return known, unknown

    def error(self, message: str) -> typing.NoReturn:
        """Raise instead of exiting, so that one place prints errors."""
        raise UsageError(f"{message} (see: {self.prog} --help)")


def add_flags(parser: argparse.ArgumentParser, names: Sequence[str]) -> None:
    """Add a flag for each named field of TrainConfig; one that is not given leaves no trace."""
    for name in names:
        field, shown = FIELDS[name], getattr(DEFAULT, name)
        arguments: dict[str, Any] = {
            "dest": name,
            "default": argparse.SUPPRESS,
            "help": field.metadata["help"] + ("" if shown == "" or shown is False else f" [{shown}]"),
        }
        if TYPES[name] is bool:
            arguments["action"] = argparse.BooleanOptionalAction  # a recipe may have turned it on
        else:
            arguments["type"] = TYPES[name]
            choices = field.metadata["choices"]
            arguments["metavar"] = "|".join(choices) if choices else TYPES[name].__name__.upper()
        if name == "tta":  # --tta alone
            arguments |= {"nargs": "?", "const": "shifts"}
        if name == "resume":
            arguments |= {"nargs": "?", "const": "newest", "metavar": "auto|PATH"}
        parser.add_argument(flag(name), **arguments)


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
    evaluate = command("evaluate", "measure a trained network on the test images", (*EVALUATE_FLAGS, "tta"))
    evaluate.add_argument("--logits", action="store_true", help="also store logits and labels in logits.npz")
    demo = add_use_commands(command)
    evaluate.add_argument("--run", **RUN_OR_PRETRAINED)
    report = command("report", "write report.html of a run, and its figures for VisualDL", EVALUATE_FLAGS)
    report.add_argument("--run", required=True, metavar="PATH", help="folder of the run, outputs/<name>")
    compare = command("compare", "put several runs into one table and one chart", EVALUATE_FLAGS)
    compare.add_argument("--runs", required=True, nargs="+", metavar="PATH", help="folders of the runs")
    compare.add_argument("--to", metavar="PATH", help="folder to write [comparison, beside the first run]")
    for sub in (report, compare, demo):
        sub.add_argument("--lang", default="en", metavar="|".join(LANGUAGES), help="language of it [en]")
    models = command("models", "list the networks with parameters, size and cost", ("stem", "debug"))
    models.add_argument("names", nargs="*", metavar="MODEL", help="only these networks")
    command("stats", "mean and standard deviation of the training images", DATA_FLAGS)
    finder = command("find-lr", "raise the rate step by step, draw the loss, suggest a rate", FIND_LR_FLAGS)
    finder.add_argument("--steps", type=int, default=100, metavar="INT", help="training steps [100]")
    finder.add_argument(
        "--from", type=float, default=1e-5, dest="start", metavar="FLOAT", help="first rate [1e-05]"
    )
    finder.add_argument("--to", type=float, default=10.0, dest="end", metavar="FLOAT", help="last rate [10]")
    ablate = command("ablate", "train a study's configurations at one budget, write a table", ABLATE_FLAGS)
    ablate.add_argument("--study", required=True, metavar="|".join(STUDIES), help="which configurations")
    ablate.add_argument("--seeds", type=int, default=1, metavar="INT", help="seeds, from --seed on [1]")
    ablate.add_argument("--only", nargs="+", metavar="LABEL", help="only these configurations")
    ablate.add_argument("--to", metavar="PATH", help="folder of its runs [outputs/ablation-<study>]")
    ablate.add_argument(
        "--keep-weights", action="store_true", help="keep every run's weights, up to 0.4 GB each for resnet18"
    )
    bench = command("bench", "how fast this CPU trains, with and without the engine", ("debug",))
    bench.add_argument(
        "names", nargs="*", metavar="NETWORK", help="only these, e.g. resnet18 [four networks]"
    )
    bench.add_argument("--batch-size", type=int, metavar="INT", help="images per step [16 to 64]")
    bench.add_argument("--rounds", type=int, default=2, metavar="INT", help="timed steps of each [2]")
    return parser


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
        if (command := given.pop("command")) != "train":
            distributed.refuse(command)
        COMMANDS[command](given)
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
