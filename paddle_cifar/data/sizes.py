"""Progressive resolution: the side of the training images in each epoch. Needs no numpy."""

from __future__ import annotations

import math

from paddle_cifar.errors import UsageError

FULL_SIDE = 32
SMALLEST_SIDE = 8


def parse_sizes(text: str) -> list[tuple[int, float]]:
    """Sides and shares of the run's epochs in a list such as ``16:0.4,24:0.3,32:0.3``; ``32`` alone is all.

    Raises:
        UsageError: unless the shares are positive and sum to 1 and the last side is 32.
    """
    stages = []
    for part in text.split(","):
        side, colon, share = part.strip().partition(":")
        try:
            stages.append((int(side), float(share) if colon else 1.0))
        except ValueError:
            raise UsageError(f"--sizes {text}: '{part.strip()}' is not side:share, as in 16:0.4") from None
    if not all(SMALLEST_SIDE <= side <= FULL_SIDE for side, _ in stages):
        raise UsageError(f"--sizes {text}: sides go from {SMALLEST_SIDE} to {FULL_SIDE} pixels")
    # "not (share > 0)" would let infinity pass, and nan would pass the sum.
    if not all(0 < share <= 1 for _, share in stages) or abs(sum(share for _, share in stages) - 1) > 1e-6:
        raise UsageError(f"--sizes {text}: the shares must be positive and sum to 1")
    if stages[-1][0] != FULL_SIDE:
        raise UsageError(f"--sizes {text}: the last side must be {FULL_SIDE}, as in evaluation")
    return stages


def epoch_sides(text: str, epochs: int) -> list[int]:
    """The side of the training images in each of ``epochs`` epochs.

    Stages begin at whole epochs, the nearest to their shares; the last epoch
    always has the full side, however short the run.
    """
    sides: list[int] = []
    share_so_far = 0.0
    for side, share in parse_sizes(text):
        share_so_far += share
        # Not round(): it takes halves to even numbers, so that 5 epochs would be cut like 4.
        end = math.floor(share_so_far * epochs + 0.5 + 1e-9)
        sides += [side] * (end - len(sides))
    sides[-1] = FULL_SIDE
    return sides
