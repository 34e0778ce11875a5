"""GoogLeNet with one output.

Szegedy et al. 2015, "Going Deeper with Convolutions", arXiv:1409.4842.
"""

from __future__ import annotations

from paddle import Tensor, nn
from paddle.vision import models as zoo

from paddle_cifar.models import fitting


class GoogLeNet(zoo.GoogLeNet):
    """Paddle's GoogLeNet, fitted to 32x32, returning the main logits only.

    Paddle's returns three logits, two of them from auxiliary heads on 14x14 maps
    whose gradient the original needed to train at all. Those heads are removed
    here: a 32x32 image never gives such maps, and ``paddle.Model`` would hand all
    three outputs to the loss and the metrics.

    The first convolution is 3x3 with stride 1 and the first of the four pools is
    dropped, so the maps are 32, 16 (inception 3), 8 (inception 4), 4 (inception 5).
    """

    def __init__(self, num_classes: int = 100) -> None:
        super().__init__(num_classes=num_classes)
        for head in ("_pool_o1", "_conv_o1", "_fc_o1", "_drop_o1", "_out1"):
            delattr(self, head)
        for head in ("_pool_o2", "_conv_o2", "_fc_o2", "_drop_o2", "_out2"):
            delattr(self, head)
        fitting.fit_googlenet(self)

    def forward(self, image: Tensor) -> Tensor:
        """Images [N, 3, 32, 32] to logits [N, num_classes]."""
        x = self._conv_2(self._conv_1(self._conv(image)))
        x = self._ince3b(self._ince3a(self._pool(x)))
        x = self._ince4b(self._ince4a(self._pool(x)))
        x = self._ince4e(self._ince4d(self._ince4c(x)))
        x = self._ince5b(self._ince5a(self._pool(x)))
        x = self._pool_5(x).flatten(1)
        return self._fc_out(self._drop(x))


def googlenet(stem: str, num_classes: int) -> nn.Layer:
    """``GoogLeNet``; ``names.CIFAR_STEM_ONLY`` has already ruled out the ImageNet stem."""
    assert stem == "cifar"
    return GoogLeNet(num_classes)
