"""The commands in the pages people read: found in their text, and what becomes of each in the tests.

``test_readme_commands.py`` runs them, in a cheap variant, or knows from here why it does not.
"""

from __future__ import annotations

import argparse
import dataclasses
import re
import shlex
from pathlib import Path
from typing import NamedTuple

from paddle_cifar import cli
from paddle_cifar.config import TrainConfig
from paddle_cifar.recipes import recipe

ROOT = Path(__file__).resolve().parent.parent
ENGLISH, CHINESE, MACHINES = "README.md", "README.zh-CN.md", "docs/several-machines.md"
PAGES = (ENGLISH, CHINESE, MACHINES)

# A code span is a command when it begins with one of these and goes on; names alone are only mentioned.
PROGRAMS = ("python", "python3", "pip", "visualdl", "jupyter", "ruff", "source")
TINY_DATA = "--dataset synthetic --synthetic-size 1000 --batch-size 64"
TINY_RUN = f"{TINY_DATA} --epochs 1 --limit-steps 2"


class Run(NamedTuple):
    """The command is run with these arguments appended; they change how long it takes, not what it does."""

    arguments: str = ""


class NotRun(NamedTuple):
    """The command is only parsed; why, and what runs it instead."""

    why: str


# The longest beginning of a command that stands here decides.
FATES: dict[str, Run | NotRun] = {
    "python main.py": Run(TINY_RUN),
    "python main.py --val-split": Run(f"{TINY_RUN} --val-split 100"),
    "python main.py --resume": Run(),  # it goes on with the settings it finds
    "python main.py --resume auto": Run(TINY_RUN),
    "python main.py train --help": Run(),
    "python main.py evaluate": Run(),
    "python main.py report": Run(),
    "python main.py compare": Run(),
    "python main.py export": Run(),
    "python main.py pack": Run(),
    "python main.py predict": Run("--run outputs/a"),
    "python main.py demo": NotRun("serves a page until it is stopped; tests/demo asks it"),
    "python main.py find-lr": Run(f"{TINY_DATA} --model lenet --steps 20"),
    "python main.py ablate": Run(f"{TINY_RUN} --model lenet --only none"),
    "python main.py models": Run("lenet resnet18"),
    "python main.py stats": Run("--dataset synthetic --synthetic-size 1000"),
    "python main.py bench": Run("resnet18 --batch-size 2 --rounds 1"),
    "visualdl": Run(),
    "python -m paddle.distributed.launch": Run(TINY_RUN),
    "python -m paddle.distributed.launch --master": NotRun("takes two machines"),
    "python benchmarks/draw_results.py": Run("--output result.svg"),
    "python benchmarks/cpu_engine.py": NotRun("takes 20 minutes, and PyTorch"),
    "python benchmarks/inference.py": NotRun("takes minutes; tests/export runs what it times"),
    "python benchmarks/input_pipeline.py": NotRun("takes minutes"),
    "python benchmarks/page_load.py": NotRun("takes minutes and Gradio; tests/demo asks the page"),
    "python benchmarks/crash_safety.py": NotRun("takes 15 minutes; tests/test_fault_injection.py kills too"),
    "python benchmarks/two_nodes.py": NotRun("takes root and minutes"),
    "python benchmarks/two_processes.py": NotRun("takes minutes; tests/test_distributed.py runs two"),
    "python3 -m venv": NotRun("makes an environment; .ci/run does"),
    "source": NotRun("changes the shell it is typed into"),
    "pip": NotRun("installs or removes packages; .ci/run installs"),
    "python -m pytest": NotRun("runs this very test; .ci/run does"),
    "ruff": NotRun(".ci/run does"),
    "jupyter execute": NotRun("tests/test_notebooks.py executes the notebook"),
}  # fmt: skip


def text_of(page: str) -> str:
    """The Markdown of a page, named relative to the project."""
    return (ROOT / page).read_text(encoding="utf-8")


def commands(text: str) -> list[str]:
    """Every command of a Markdown text, each once, in the order in which they first appear.

    Lines of bash blocks, taken apart at ``&&``, and code spans that begin with a program's name. The way
    into the environment (``.venv/bin/``) and variables before the command are taken off.

    >>> commands("`QUICK=1 python main.py`, `python`\\n```bash\\na && .venv/bin/b c\\n```\\n")
    ['python main.py', 'a', 'b c']
    """
    found = []
    for match in re.finditer(r"^```bash\n(.*?)^```|(?<!`)`([^`\n]+)`(?!`)", text, re.DOTALL | re.MULTILINE):
        block, span = match.groups()
        lines = block.splitlines() if block is not None else [span]
        parts = [bare(part) for line in lines for part in line.split(" && ") if part.strip()]
        found += [part for part in parts if block is not None or is_command(part)]
    return list(dict.fromkeys(found))


def bare(command: str) -> str:
    """A command without the variables before it and without the environment's folder.

    >>> bare("QUICK=1 .venv-gpu/bin/python main.py --name a=b")
    'python main.py --name a=b'
    """
    return re.sub(r"^(?:[A-Z_0-9]+=\S* )*(?:\.venv[\w-]*/bin/)?", "", command.strip())


def is_command(span: str) -> bool:
    """Whether a code span is something to type: a program with arguments."""
    program, _, arguments = span.partition(" ")
    return program in PROGRAMS and bool(arguments)


def fate(command: str) -> Run | NotRun | None:
    """What becomes of a command; None for one that nobody has thought of."""
    words = command.split()
    for length in range(len(words), 0, -1):
        if (beginning := " ".join(words[:length])) in FATES:
            return FATES[beginning]
    return None


def cheap(command: str, how: Run) -> list[str]:
    """The words of a command in its cheap variant; <run> is run a."""
    return shlex.split(f"{command.replace('<run>', 'a')} {how.arguments}")


def python_blocks(text: str) -> list[str]:
    """The Python examples of a Markdown text."""
    return re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def flags(text: str) -> set[str]:
    """Every ``--flag`` in the code of a text, blocks and spans."""
    code = re.findall(r"^```.*?^```|`[^`\n]+`", text, re.DOTALL | re.MULTILINE)
    return set(re.findall(r"(?<![\w-])--[a-z][a-z_-]*", " ".join(code)))


def check_arguments(arguments: list[str]) -> None:
    """Let the real parser and the config check what follows ``main.py``; UsageError when it is wrong."""
    if not arguments or arguments[0].startswith("-"):
        arguments = ["train", *arguments]
    if "--help" in arguments:
        arguments.remove("--help")
    given = vars(cli.build_parser().parse_args(arguments))
    assert given["command"] in cli.COMMANDS
    fields = {
        name: value
        for name, value in given.items()
        if name in TrainConfig.__dataclass_fields__ and value is not None
    }
    dataclasses.replace(recipe(fields.get("recipe", "default")), **fields)


def sub_commands() -> dict[str, argparse.ArgumentParser]:
    """The parser of each sub-command."""
    (action,) = [a for a in cli.build_parser()._actions if isinstance(a, argparse._SubParsersAction)]
    return action.choices
