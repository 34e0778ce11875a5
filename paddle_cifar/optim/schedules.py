"""The course of the learning rate: each schedule is a plain function of progress.

``build_schedule`` wraps one in ``paddle.optimizer.lr.LambdaDecay``, which
``paddle.Model.fit`` steps after every batch; its only state is the step count.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import paddle

from paddle_cifar.errors import unknown_name


def constant(progress: float) -> float:
    """The peak rate throughout."""
    return 1.0


def step(progress: float) -> float:
    """A fifth of the rate after 30, 60 and 80 % of the run (Zagoruyko & Komodakis 2016, arXiv:1605.07146)."""
    return 0.2 ** sum(progress >= milestone for milestone in (0.3, 0.6, 0.8))


def cosine(progress: float) -> float:
    """Half a cosine from the peak rate to zero (Loshchilov & Hutter 2016, arXiv:1608.03983)."""
    return 0.5 * (1 + math.cos(math.pi * progress))


def onecycle(progress: float, rise: float = 0.25, start: float = 0.04) -> float:
    """Up from 4 % of the peak during the first quarter, then down to zero, both along a cosine.

    Smith & Topin 2017, arXiv:1708.07120.
    """
    if progress < rise:
        return start + (1 - start) * 0.5 * (1 - math.cos(math.pi * progress / rise))
    return cosine((progress - rise) / (1 - rise))


def polynomial(progress: float, power: float = 2.0) -> float:
    """From the peak rate to zero along (1 - progress) to the ``power``; a straight line for 1."""
    return (1 - progress) ** power


def hold(progress: float, share: float = 0.3) -> float:
    """The peak rate for the first ``share`` of the run, then along a straight line to zero.

    With a short warm-up and a share of 0 the triangle of Keller Jordan's airbench;
    with a large share warm-up, stable, decay (Hu et al. 2024, arXiv:2404.06395).
    """
    return min(1.0, (1 - progress) / (1 - share))


SCHEDULES: dict[str, Callable[..., float]] = {
    "constant": constant,
    "step": step,
    "cosine": cosine,
    "onecycle": onecycle,
    "polynomial": polynomial,
    "hold": hold,
}


def build_schedule(
    name: str,
    lr: float,
    total_steps: int,
    warmup_steps: int = 0,
    power: float = 2.0,
    hold_share: float = 0.3,
) -> paddle.optimizer.lr.LambdaDecay:
    """A rate scheduler, stepped per batch: linear warm-up to where the named schedule begins, then that.

    Args:
        name: a key of SCHEDULES.
        lr: peak rate.
        total_steps: training steps of the whole run, warm-up included.
        warmup_steps: steps of warm-up (0: none).
        power: of the polynomial schedule.
        hold_share: how much of what follows the warm-up the hold schedule stays at the peak, below 1.

    Raises:
        UsageError: for an unknown name.
    """
    if name not in SCHEDULES:
        raise unknown_name("schedule", name, SCHEDULES)
    shape = {"polynomial": {"power": power}, "hold": {"share": hold_share}}.get(name, {})
    schedule = partial(SCHEDULES[name], **shape)

    def factor(steps_done: int) -> float:
        if steps_done < warmup_steps:
            return schedule(0.0) * (steps_done + 1) / (warmup_steps + 1)
        return schedule(min(1.0, (steps_done - warmup_steps) / max(1, total_steps - warmup_steps)))

    return paddle.optimizer.lr.LambdaDecay(lr, factor)
