"""Which layers of a network come first and see the largest maps."""

from __future__ import annotations

from paddle import nn
from paddle.vision.models import ResNet

from paddle_cifar.errors import UsageError
from paddle_cifar.models.airbench import Airbench


def first_stage(network: nn.Layer, name: str) -> list[nn.Layer]:
    """The layers of ``network`` before the second stage; UsageError where they are not known.

    Of a ResNet of paddle.vision, gated ones included, the first convolution and ``layer1``; of airbench's
    networks the first group, as the convolution before it is not trained anyway.
    """
    if isinstance(network, Airbench):
        return [network.groups[0]]
    if isinstance(network, ResNet):
        return [network.conv1, network.bn1, network.layer1]
    raise UsageError(
        f"--freeze-epochs: the first stage of {name} is not known; leave it out, or try a resnet"
    )
