"""Pre-activation residual networks, deep or wide.

He et al. 2016, "Identity Mappings in Deep Residual Networks", arXiv:1603.05027.
Zagoruyko & Komodakis 2016, "Wide Residual Networks", arXiv:1605.07146.

Normalisation and ReLU come before each convolution, so nothing stands on the way
of the sum from the first block to the last. A wide residual network is the same
thing with three stages of k times the usual channels.
"""

from __future__ import annotations

from collections.abc import Sequence

import paddle.nn.functional as F
from paddle import Tensor, nn


class PreActBasicBlock(nn.Layer):
    """BN-ReLU-3x3 twice; [N, C, H, W] to [N, channels, H / stride, W / stride]."""

    expansion = 1

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2D(in_channels)
        self.conv1 = nn.Conv2D(in_channels, channels, 3, stride=stride, padding=1, bias_attr=False)
        self.bn2 = nn.BatchNorm2D(channels)
        self.conv2 = nn.Conv2D(channels, channels, 3, padding=1, bias_attr=False)
        self.shortcut = _shortcut(in_channels, channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] to [N, channels, H / stride, W / stride]."""
        activated = F.relu(self.bn1(x))
        branch = self.conv1(activated)
        branch = self.conv2(F.relu(self.bn2(branch)))
        return branch + (x if self.shortcut is None else self.shortcut(activated))


class PreActBottleneckBlock(nn.Layer):
    """BN-ReLU-1x1, 3x3, 1x1; [N, C, H, W] to [N, 4 channels, H / stride, W / stride]."""

    expansion = 4

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        out_channels = channels * self.expansion
        self.bn1 = nn.BatchNorm2D(in_channels)
        self.conv1 = nn.Conv2D(in_channels, channels, 1, bias_attr=False)
        self.bn2 = nn.BatchNorm2D(channels)
        self.conv2 = nn.Conv2D(channels, channels, 3, stride=stride, padding=1, bias_attr=False)
        self.bn3 = nn.BatchNorm2D(channels)
        self.conv3 = nn.Conv2D(channels, out_channels, 1, bias_attr=False)
        self.shortcut = _shortcut(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] to [N, 4 channels, H / stride, W / stride]."""
        activated = F.relu(self.bn1(x))
        branch = self.conv1(activated)
        branch = self.conv2(F.relu(self.bn2(branch)))
        branch = self.conv3(F.relu(self.bn3(branch)))
        return branch + (x if self.shortcut is None else self.shortcut(activated))


def _shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Layer | None:
    """None where the block keeps its input's shape, else a 1x1 projection of the activated input."""
    if stride == 1 and in_channels == out_channels:
        return None
    return nn.Conv2D(in_channels, out_channels, 1, stride=stride, bias_attr=False)


class PreActResNet(nn.Layer):
    """Stages of pre-activation blocks: [N, 3, 32, 32] to logits [N, num_classes].

    ``block_counts[i]`` blocks of ``widths[i]`` channels make stage i; every stage
    but the first halves the map. ``stem_channels`` is the width of the first convolution.
    """

    def __init__(
        self,
        block_type: type[PreActBasicBlock] | type[PreActBottleneckBlock],
        block_counts: Sequence[int],
        widths: Sequence[int],
        stem_channels: int,
        stem: str = "cifar",
        num_classes: int = 100,
    ) -> None:
        super().__init__()
        if stem == "cifar":
            self.conv1 = nn.Conv2D(3, stem_channels, 3, padding=1, bias_attr=False)
            self.maxpool = nn.Identity()
        else:
            self.conv1 = nn.Conv2D(3, stem_channels, 7, stride=2, padding=3, bias_attr=False)
            self.maxpool = nn.MaxPool2D(kernel_size=3, stride=2, padding=1)

        blocks: list[nn.Layer] = []
        channels = stem_channels
        for stage, (count, width) in enumerate(zip(block_counts, widths, strict=True)):
            for index in range(count):
                halve = stage > 0 and index == 0
                blocks.append(block_type(channels, width, stride=2 if halve else 1))
                channels = width * block_type.expansion
        self.blocks = nn.Sequential(*blocks)

        self.bn = nn.BatchNorm2D(channels)  # the last sum has not been through BN and ReLU yet
        self.avgpool = nn.AdaptiveAvgPool2D(1)
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, image: Tensor) -> Tensor:
        """[N, 3, H, W] to logits [N, num_classes]."""
        x = self.maxpool(self.conv1(image))
        x = F.relu(self.bn(self.blocks(x)))
        return self.fc(self.avgpool(x).flatten(1))


def preact_resnet(depth: int, stem: str, num_classes: int) -> PreActResNet:
    """PreActResNet of ``depth`` 18 (basic blocks) or 50 (bottlenecks)."""
    block_type, block_counts = {
        18: (PreActBasicBlock, (2, 2, 2, 2)),
        50: (PreActBottleneckBlock, (3, 4, 6, 3)),
    }[depth]
    return PreActResNet(block_type, block_counts, (64, 128, 256, 512), 64, stem, num_classes)


def wide_resnet(depth: int, widen: int, stem: str, num_classes: int) -> PreActResNet:
    """WRN-``depth``-``widen`` without dropout: three stages of (depth - 4) / 6 basic blocks.

    ``names.CIFAR_STEM_ONLY`` has already ruled out the ImageNet stem.
    """
    assert stem == "cifar" and (depth - 4) % 6 == 0
    count = (depth - 4) // 6
    widths = (16 * widen, 32 * widen, 64 * widen)
    return PreActResNet(PreActBasicBlock, (count, count, count), widths, 16, stem, num_classes)
