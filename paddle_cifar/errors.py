"""The two kinds of failure a user can meet, and the exit code of each.

Raise one of these with a single line that says what is wrong and what to do;
``cli.main`` prints that line and leaves with ``exit_code``. A traceback appears
only with ``--debug``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class RunError(Exception):
    """Something failed while running: data, files, device, training. Exit code 1."""

    exit_code = 1
    prefix = "error: "


class UsageError(RunError):
    """The command was asked for something impossible: a wrong flag or value. Exit code 2."""

    exit_code = 2


def flag(field: str) -> str:
    """What a field of the config is called on the command line.

    >>> flag("batch_size")
    '--batch-size'
    """
    return "--" + field.replace("_", "-")


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """A ``UsageError`` for an unknown ``name`` that offers the nearest known ones.

    >>> str(unknown_name("recipe", "defualt", ["default", "lab", "quick"]))
    "unknown recipe 'defualt'; did you mean default? (all: default, lab, quick)"
    """
    known = sorted(known)
    near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"choose from {', '.join(known)}"
    if near and len(known) <= 8:
        hint += f" (all: {', '.join(known)})"
    return UsageError(f"unknown {kind} '{name}'; {hint}")
