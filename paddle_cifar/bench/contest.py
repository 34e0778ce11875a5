"""A contest of training speed: every contestant is a process of its own that waits for its turn.

Own processes, because thread settings are read when a library is loaded; turns, so that a change of the
machine's speed hits all of them alike. The median counts.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from paddle_cifar.cores import available_cores
from paddle_cifar.environment import python_path
from paddle_cifar.errors import RunError

# OpenMP's threads go on spinning for 0.2 s after their work, in the way of whoever comes next.
SETTLE_SECONDS = 0.4
THREAD_SETTINGS = ("OMP_NUM_THREADS", "MKL_DEBUG_CPU_TYPE")


class Workload(NamedTuple):
    """A network by its name and stem, and how many images a step has."""

    model: str
    stem: str
    batch_size: int


@dataclass(frozen=True)
class Contestant:
    """How a contestant is started.

    Args:
        program: Python's arguments; it must call :func:`serve`.
        engine: passed on to it.
        precision: passed on to it.
        as_installed: with no thread setting at all, as a script that just imports the library.
    """

    program: tuple[str, ...]
    engine: str
    precision: str
    as_installed: bool = False


@dataclass(frozen=True)
class Timing:
    """Median seconds of a step, of these inside oneDNN, and the least that plain convolutions would need."""

    seconds: float
    inside: float = 0.0
    bound: float = 0.0


class Runner(NamedTuple):
    """What a contestant's process runs."""

    step: Callable[[], None]
    """One training step."""
    spent: Callable[[], float] = lambda: 0.0
    """Seconds spent inside oneDNN since the last call."""
    bound: float = 0.0
    """Seconds the arithmetic of plain convolutions would take at the speed of a large matrix product."""


def serve(prepare: Callable[[Workload, str, str], Runner]) -> None:
    """The life of a contestant's process: get ready, then a line of JSON for every line on standard input.

    ``prepare`` gets the workload, engine and precision that :func:`contest` put on the command line.
    """
    model, stem, batch_size, engine, precision = sys.argv[-5:]
    runner = prepare(Workload(model, stem, int(batch_size)), engine, precision)
    for _ in range(2):  # makes primitives, times the ways to compute, fills memory pools
        runner.step()
    print(json.dumps({"bound": runner.bound}), flush=True)
    for _ in sys.stdin:
        runner.spent()
        started = time.perf_counter()
        runner.step()
        print(json.dumps([time.perf_counter() - started, runner.spent()]), flush=True)


def contest(workload: Workload, contestants: Mapping[str, Contestant], rounds: int) -> dict[str, Timing]:
    """Let the contestants take turns, ``rounds`` steps each; those that cannot run here are left out.

    Raises:
        RunError: when none can.
    """
    started = {name: _start(workload, contestant) for name, contestant in contestants.items()}
    running = {name: process for name, process in started.items() if process}
    if not running:
        raise RunError(f"{workload.model} could not be trained here; try: python main.py --recipe quick")
    times: dict[str, list[list[float]]] = {name: [] for name in running}
    try:
        for _ in range(rounds):
            for name, (process, _) in running.items():
                time.sleep(SETTLE_SECONDS)
                process.stdin.write("step\n")
                process.stdin.flush()
                times[name].append(json.loads(process.stdout.readline()))
    finally:
        for process, _ in running.values():
            process.kill()
            process.wait()
    return {
        name: Timing(*map(statistics.median, zip(*times[name], strict=True)), bound=bound)
        for name, (_, bound) in running.items()
    }


def _start(workload: Workload, contestant: Contestant) -> tuple[subprocess.Popen[str], float] | None:
    """A contestant's process, warmed up, and its bound; None if it cannot run here."""
    settings = {key: value for key, value in os.environ.items() if key not in THREAD_SETTINGS}
    settings["PYTHONPATH"] = python_path()
    if not contestant.as_installed:
        settings["OMP_NUM_THREADS"] = str(available_cores())
    process = subprocess.Popen(
        [sys.executable, *contestant.program, *map(str, workload), contestant.engine, contestant.precision],
        env=settings, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    for line in process.stdout:
        if line.startswith("{"):
            return process, json.loads(line)["bound"]
    process.wait()
    return None
