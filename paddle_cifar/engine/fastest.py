"""Where there are two ways to compute the same thing, time both on the first real data of each shape."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import paddle

from paddle_cifar.engine import convolution, im2col
from paddle_cifar.engine.convolution import Problem

log = logging.getLogger(__name__)
Way = Callable[..., Any]

ROUNDS = 2  # after one that makes the primitives; the best counts, another process may disturb one
# oneDNN's weight gradient has its threads wait in a spin loop: it must be clearly faster on a calm machine to be taken,
# because on a busy one it is many times slower.
CLEARLY = 0.85
_chosen: dict[tuple[str, Problem], Way] = {}


def choose(what: str, problem: Problem, ways: dict[str, Way], arguments: tuple[Any, ...]) -> Way:
    """The fastest of `ways` for this problem, measured once per process."""
    known = _chosen.get((what, problem))
    if known is not None:
        return known
    best = {}
    for name, way in ways.items():
        way(problem, *arguments)
        best[name] = min(_seconds(way, problem, arguments) for _ in range(ROUNDS))
    best["convolution"] /= CLEARLY
    name = min(best, key=best.__getitem__)
    log.debug("%s of %s: %s", what, problem, {name: f"{1e3 * taken:.1f} ms" for name, taken in best.items()})
    return _chosen.setdefault((what, problem), ways[name])


def _seconds(way: Way, problem: Problem, arguments: tuple[Any, ...]) -> float:
    started = time.perf_counter()
    way(problem, *arguments)
    return time.perf_counter() - started


def weight_gradient(
    problem: Problem, image: paddle.Tensor, gradient: paddle.Tensor
) -> tuple[paddle.Tensor, paddle.Tensor | None]:
    """The float32 gradients of weight and bias."""
    ways: dict[str, Way] = {"convolution": convolution.weight_gradient}
    if im2col.applies(problem):
        ways["im2col"] = im2col.weight_gradient
    if len(ways) == 1:
        return convolution.weight_gradient(problem, image, gradient)
    return choose("weight gradient", problem, ways, (image, gradient))(problem, image, gradient)
