"""One image through a network, to see what its layers do with it."""

from __future__ import annotations

import paddle
from paddle import nn


@paddle.no_grad()
def trial_pass(network: nn.Layer, side: int = 32) -> None:
    """Run a black image (1, 3, side, side) in evaluation mode, for the hooks on the network to see.

    The network is left in the mode it was in, whatever happens.
    """
    training = network.training
    network.eval()
    try:
        network(paddle.zeros([1, 3, side, side]))
    finally:
        if training:
            network.train()
