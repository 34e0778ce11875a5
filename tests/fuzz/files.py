"""What the fuzz tests share: small random changes to bytes, and what may come of them.

A damaged or hostile file gives one clear line or a right result: no other exception, no code run, no
hang. A hundred files of each kind in every test run, a thousand with ``-m slow``.
"""

from __future__ import annotations

import contextlib
import random
import signal
import struct
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

from paddle_cifar.errors import RunError


def flip(data: bytearray, other: bytes, rng: random.Random) -> None:
    """Flip single bits."""
    for _ in range(rng.choice([1, 1, 2, 8])):
        data[_place(data, rng)] ^= 1 << rng.randrange(8)


def overwrite(data: bytearray, other: bytes, rng: random.Random) -> None:
    """Put other bytes in the place of some."""
    for _ in range(rng.choice([1, 1, 2, 8])):
        data[_place(data, rng)] = rng.randrange(256)


def cut(data: bytearray, other: bytes, rng: random.Random) -> None:
    """Lose the end."""
    del data[rng.randrange(len(data)) :]


def lengthen(data: bytearray, other: bytes, rng: random.Random) -> None:
    """Write a number that is too large, where a length may stand."""
    number = rng.choice([0, 1, 2**16, 2**31 - 1, 2**31, 2**40, 2**63 - 1, 2**64 - 1])
    field = rng.choice(["<Q", ">Q", "<I", ">I", "<H", ">H"])
    at = _place(data, rng)
    data[at : at + struct.calcsize(field)] = struct.pack(field, number % 256 ** struct.calcsize(field))


def splice(data: bytearray, other: bytes, rng: random.Random) -> None:
    """Put a piece of another file in the place of a piece."""
    start = rng.randrange(len(data))
    end = min(len(data), start + rng.choice([1, 30, 1000, len(data)]))
    data[start:end] = other[start : start + rng.choice([0, 1, 30, 1000, len(other)])]


def repeat(data: bytearray, other: bytes, rng: random.Random) -> None:
    """Let a piece stand there twice."""
    start = _place(data, rng)
    data[start:start] = data[start : start + rng.choice([1, 8, 512])]


CHANGES: list[Callable[[bytearray, bytes, random.Random], None]] = [
    *(flip, flip, overwrite, overwrite, lengthen, lengthen, splice, cut, repeat)
]


def mutated(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """``data`` with one to three changes; ``other`` is a second file of the same kind."""
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 3])):
        if changed:
            rng.choice(CHANGES)(changed, other, rng)
    return bytes(changed)


def _place(data: bytearray, rng: random.Random) -> int:
    """An index; half of them near the beginning, where the headers are."""
    return rng.randrange(len(data) if rng.random() < 0.5 else min(len(data), 400))


class Hang(BaseException):
    """Not an Exception: the readers under test catch those."""


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise Hang when it takes longer; no limit on Windows, which has no such alarm."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        raise Hang(f"not done within {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


SECONDS = 20  # for a single file, on a machine that may be busy; 0.01 is usual
COUNTS = [100, pytest.param(1000, marks=pytest.mark.slow)]


def refused(read: Callable[[], Any]) -> Any:
    """What ``read`` returns, or None when it refuses in one line; any other exception passes."""
    with time_limit(SECONDS):
        try:
            return read()
        except RunError as error:
            assert "\n" not in str(error) and len(str(error)) < 600 and error.exit_code == 1
            return None


def report(kind: str, outcomes: list[bool]) -> None:
    """Both outcomes must have been met; ``-s`` shows how often."""
    right = sum(outcomes)
    print(f"{len(outcomes)} {kind}: {len(outcomes) - right} refused, {right} right")
    assert 0 < right < len(outcomes)
