"""Where there are several ways to compute the same thing, time them on the first real data of each shape."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from typing import Any

from paddle_cifar.engine.dnnl import DnnlError
from paddle_cifar.engine.problem import Problem

log = logging.getLogger(__name__)
Way = Callable[..., Any]
Sample = Callable[[Problem, tuple[Any, ...]], tuple[Problem, tuple[Any, ...]]]

ROUNDS = 3  # the best counts: the first makes the machine code, and another process may disturb one
LONG_SECONDS = 0.05  # a way that takes this long has one round less: it would be felt in a run of minutes
# oneDNN's weight gradient has its threads wait in a spin loop: it must be clearly faster on a calm machine to
# be taken, because on a busy one it is many times slower.
HANDICAP = {("gradient of weight", "direct"): 1.2}
_chosen: dict[tuple[str, Problem], str] = {}
_recorded: dict[str, str] = {}


def fastest(
    what: str, problem: Problem, ways: dict[str, Way], *arguments: Any, sample: Sample | None = None
) -> Any:
    """The result of the fastest of `ways`, found out once for each problem and process.

    `sample` makes a smaller problem and its arguments, on which the ways are timed.
    """
    name = _chosen.get((what, problem))
    if name is None:
        name = _recorded.get(f"{what} of {problem}")
        if name not in ways:
            trial = sample(problem, arguments) if sample else (problem, arguments)
            name = next(iter(ways)) if len(ways) == 1 else _measure(what, trial[0], ways, trial[1])
        _chosen[what, problem] = name
    return ways[name](problem, *arguments)


def choices() -> dict[str, str]:
    """What was chosen in this process or before it, for `follow`: the next timing may fall out otherwise."""
    return {**_recorded, **{f"{what} of {problem}": name for (what, problem), name in _chosen.items()}}


def follow(recorded: dict[str, str]) -> None:
    """Choose as another process did, so that a resumed run computes the same bits."""
    _chosen.clear()
    _recorded.clear()
    _recorded.update(recorded)


def _measure(what: str, problem: Problem, ways: dict[str, Way], arguments: tuple[Any, ...]) -> str:
    taken: dict[str, float] = {}
    for number in range(ROUNDS):
        for name, way in ways.items():
            if number == ROUNDS - 1 and taken[name] > LONG_SECONDS:
                continue
            try:
                seconds = _seconds(way, problem, arguments)
            except DnnlError:  # no code for this shape
                seconds = math.inf
            taken[name] = min(seconds, taken.get(name, seconds))
    best = min(taken, key=lambda name: taken[name] * HANDICAP.get((what, name), 1.0))
    log.debug("%s of %s: %s", what, problem, {name: f"{1e3 * each:.1f} ms" for name, each in taken.items()})
    return best


def _seconds(way: Way, problem: Problem, arguments: tuple[Any, ...]) -> float:
    started = time.perf_counter()
    way(problem, *arguments)
    return time.perf_counter() - started
