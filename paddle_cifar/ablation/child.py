"""One run of a study in a process of its own.

A process to itself gives a run fresh memory, parameter names and kernels, and lets a study survive one
that dies.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from paddle_cifar.errors import flag

MAIN = Path(__file__).resolve().parents[2] / "main.py"


def train_in_child(settings: dict[str, Any]) -> int:
    """``python main.py train`` with these config fields; returns its exit code, 128 + n after signal n.

    Ctrl-C and SIGTERM are passed on, and waited for while the run saves itself.
    """
    # A group of its own, or the terminal's Ctrl-C would reach it twice; the second time it leaves at once.
    child = subprocess.Popen(
        [sys.executable, str(MAIN), "train", *as_flags(settings)], start_new_session=os.name != "nt"
    )
    with _passing_signals_on(child):
        code = child.wait()
    return code if code >= 0 else 128 - code


def as_flags(settings: dict[str, Any]) -> list[str]:
    """Config fields as the command line has them.

    >>> as_flags({"epochs": 3, "drop_last": False, "sam_adaptive": True, "augment": "crop,flip"})
    ['--epochs=3', '--no-drop-last', '--sam-adaptive', '--augment=crop,flip']
    """
    flags = []
    for name, value in settings.items():
        if isinstance(value, bool):
            flags.append(flag(name if value else f"no_{name}"))
        else:
            flags.append(f"{flag(name)}={value}")
    return flags


@contextlib.contextmanager
def _passing_signals_on(child: subprocess.Popen) -> Iterator[None]:
    def pass_on(number: int, _: Any) -> None:
        if os.name != "nt":  # on Windows the console has told the child itself
            child.send_signal(number)

    previous = {}
    with contextlib.suppress(ValueError):  # not in the main thread
        for number in (signal.SIGINT, signal.SIGTERM):
            previous[number] = signal.signal(number, pass_on)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
