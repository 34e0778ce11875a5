"""ResNet with stochastic depth: training skips random residual branches.

Huang et al. 2016, "Deep Networks with Stochastic Depth", arXiv:1603.09382.
"""

from __future__ import annotations

import paddle
from paddle import Tensor, nn

from paddle_cifar.models.gated_resnet import gated_resnet

LAST_SURVIVAL = 0.5  # the paper's choice, robust between 0.4 and 0.8 (its figure 8)


class DropBranch(nn.Layer):
    """In training, drop the branch [N, C, H, W] of each image with probability ``1 - survival``.

    Two departures from the paper. It draws once per mini-batch, which saves the
    work of the dropped branch; a draw per image saves nothing but gives a gradient
    with less noise at the same expected depth. And it scales by ``survival`` at
    test time; here the survivors are divided by it while training, which has the
    same expectation and leaves the network in eval mode a plain ResNet.

    Draws come from Paddle's generator, so ``paddle.seed`` repeats them.
    """

    def __init__(self, survival: float) -> None:
        super().__init__()
        self.survival = survival

    def forward(self, x: Tensor) -> Tensor:
        """The branch [N, C, H, W], without those dropped; as it is in eval mode."""
        if not self.training or self.survival == 1:
            return x
        survives = paddle.rand([x.shape[0], 1, 1, 1]) < self.survival
        return x * (survives.astype(x.dtype) / self.survival)

    def extra_repr(self) -> str:
        """Shown when the network is printed."""
        return f"survival={self.survival:.3g}"


def stochastic_depth_resnet(depth: int, stem: str, num_classes: int) -> nn.Layer:
    """A ResNet whose blocks survive with a probability falling linearly from 1 at the image to 0.5."""
    return gated_resnet(
        depth, stem, num_classes, lambda channels, position: DropBranch(1 - position * (1 - LAST_SURVIVAL))
    )
