"""SE-ResNet: each block learns how much each of its channels counts for this image.

Hu, Shen & Sun 2018, "Squeeze-and-Excitation Networks", arXiv:1709.01507.
"""

from __future__ import annotations

import paddle.nn.functional as F
from paddle import Tensor, nn

from paddle_cifar.models.gated_resnet import gated_resnet

REDUCTION = 16  # the paper's choice between accuracy and size


class SqueezeExcitation(nn.Layer):
    """Weigh the channels of [N, C, H, W] by numbers in 0..1 computed from their means."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, channels // REDUCTION)
        self.excite = nn.Linear(channels // REDUCTION, channels)

    def weights(self, x: Tensor) -> Tensor:
        """One weight in 0..1 per image and channel: [N, C, H, W] to [N, C, 1, 1]."""
        mean = x.mean(axis=[2, 3])
        weights = F.sigmoid(self.excite(F.relu(self.squeeze(mean))))
        return weights.unsqueeze([2, 3])

    def forward(self, x: Tensor) -> Tensor:
        """The channels weighed, of the same shape [N, C, H, W]."""
        return x * self.weights(x)


def se_resnet(depth: int, stem: str, num_classes: int) -> nn.Layer:
    """SE-ResNet of ``depth`` 18, 34, 50, 101 or 152, with the gate before the sum as in the paper."""
    return gated_resnet(depth, stem, num_classes, lambda channels, position: SqueezeExcitation(channels))
