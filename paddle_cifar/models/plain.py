"""He's residual networks for CIFAR, and the same layers without shortcuts: what a shortcut is good for.

He et al. 2016, "Deep Residual Learning for Image Recognition", arXiv:1512.03385, section 4.2: a first
convolution, three stages of n blocks with 16, 32 and 64 channels, and a Linear make 6n + 2 layers. The
shortcuts have no parameters (option A there), so a plain network has exactly those of its residual twin.
"""

from __future__ import annotations

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

WIDTHS = (16, 32, 64)


class Block(nn.Layer):
    """Two 3x3 convolutions; [N, C, H, W] to [N, channels, H / stride, W / stride].

    Residual, it computes ``relu(x + branch(x))``; plain, ``relu(branch(x))``. Where the shape
    changes, the channels double: x gives every second pixel, and zeros for the new channels.
    """

    def __init__(self, in_channels: int, channels: int, stride: int, residual: bool) -> None:
        super().__init__()
        self.residual = residual
        self.conv1 = nn.Conv2D(in_channels, channels, 3, stride=stride, padding=1, bias_attr=False)
        self.bn1 = nn.BatchNorm2D(channels)
        self.conv2 = nn.Conv2D(channels, channels, 3, padding=1, bias_attr=False)
        self.bn2 = nn.BatchNorm2D(channels)
        self.halve = nn.MaxPool2D(1, stride) if stride > 1 else None

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] to [N, channels, H / stride, W / stride]."""
        branch = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if not self.residual:
            return F.relu(branch)
        if self.halve is not None:
            x = self.halve(x)
            x = paddle.concat([x, paddle.zeros_like(x)], axis=1)
        return F.relu(branch + x)


class CifarResNet(nn.Layer):
    """[N, 3, 32, 32] to logits [N, num_classes] through ``depth`` = 6n + 2 layers with weights."""

    def __init__(self, depth: int, residual: bool, num_classes: int = 100) -> None:
        super().__init__()
        assert depth % 6 == 2
        self.conv1 = nn.Conv2D(3, WIDTHS[0], 3, padding=1, bias_attr=False)
        self.bn1 = nn.BatchNorm2D(WIDTHS[0])
        blocks = []
        channels = WIDTHS[0]
        for width in WIDTHS:
            for _ in range((depth - 2) // 6):
                blocks.append(Block(channels, width, width // channels, residual))
                channels = width
        self.blocks = nn.Sequential(*blocks)
        self.avgpool = nn.AdaptiveAvgPool2D(1)
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, image: Tensor) -> Tensor:
        """[N, 3, H, W] to logits [N, num_classes]."""
        x = self.blocks(F.relu(self.bn1(self.conv1(image))))
        return self.fc(self.avgpool(x).flatten(1))


def cifar_resnet(depth: int, residual: bool, stem: str, num_classes: int) -> CifarResNet:
    """The network; ``names.CIFAR_STEM_ONLY`` has already ruled out the ImageNet stem."""
    assert stem == "cifar"
    return CifarResNet(depth, residual, num_classes)
