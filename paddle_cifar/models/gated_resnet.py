"""Paddle's ResNet with a gate on every residual branch.

A block computes ``relu(shortcut(x) + gate(branch(x)))``. What the gate is makes
the network: it weighs channels in ``squeeze_excitation.py`` and drops branches
in ``stochastic_depth.py``. Everything else, state dict keys included, is Paddle's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from paddle import Tensor, nn
from paddle.vision.models import ResNet
from paddle.vision.models.resnet import BasicBlock, BottleneckBlock

from paddle_cifar.models.fitting import fit_resnet


class GatedBasicBlock(BasicBlock):
    """Two 3x3 convolutions and a gate; [N, C, H, W] to [N, planes, H / stride, W / stride]."""

    def __init__(self, inplanes: int, planes: int, *args: Any, **kwargs: Any) -> None:
        super().__init__(inplanes, planes, *args, **kwargs)
        self.channels = planes * self.expansion
        self.gate = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] to [N, planes, H / stride, W / stride]."""
        branch = self.relu(self.bn1(self.conv1(x)))
        branch = self.bn2(self.conv2(branch))
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.relu(shortcut + self.gate(branch))


class GatedBottleneckBlock(BottleneckBlock):
    """1x1, 3x3, 1x1 convolutions and a gate; [N, C, H, W] to [N, 4 planes, H / stride, W / stride]."""

    def __init__(self, inplanes: int, planes: int, *args: Any, **kwargs: Any) -> None:
        super().__init__(inplanes, planes, *args, **kwargs)
        self.channels = planes * self.expansion
        self.gate = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] to [N, 4 planes, H / stride, W / stride]."""
        branch = self.relu(self.bn1(self.conv1(x)))
        branch = self.relu(self.bn2(self.conv2(branch)))
        branch = self.bn3(self.conv3(branch))
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.relu(shortcut + self.gate(branch))


def gated_resnet(
    depth: int, stem: str, num_classes: int, make_gate: Callable[[int, float], nn.Layer]
) -> ResNet:
    """A ResNet whose blocks hold ``make_gate(channels, position)``.

    ``channels`` is the width of the block's branch, ``position`` runs evenly from
    just above 0 at the first block to 1 at the last.
    """
    block_type = GatedBasicBlock if depth < 50 else GatedBottleneckBlock
    network = ResNet(block_type, depth, num_classes=num_classes)
    blocks = [layer for layer in network.sublayers() if isinstance(layer, block_type)]
    for number, block in enumerate(blocks, start=1):
        block.gate = make_gate(block.channels, number / len(blocks))
    if stem == "cifar":
        fit_resnet(network)
    return network
