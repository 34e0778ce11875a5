"""Whether a network takes images smaller than 32x32, before a run begins with them."""

from __future__ import annotations

from collections.abc import Sequence

import paddle

from paddle_cifar.data.sizes import FULL_SIDE
from paddle_cifar.errors import UsageError
from paddle_cifar.models.trial import trial_pass


def check_sides(network: paddle.nn.Layer, name: str, sides: Sequence[int]) -> None:
    """Raise ``UsageError`` if images of one of ``sides`` do not go through the network called ``name``.

    A network whose first Linear layer counts on the maps of a 32x32 image is such a one.
    """
    try:
        for side in sorted(set(sides) - {FULL_SIDE}):
            trial_pass(network, side)
    except (ValueError, RuntimeError) as error:
        trial_pass(network, FULL_SIDE)  # if that fails too, its size is not what is wrong
        raise UsageError(
            f"--sizes: {name} does not take {side}x{side} images; add --sizes 32, or choose another --model"
        ) from error
