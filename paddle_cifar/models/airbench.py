"""Small networks made for short training runs, after Keller Jordan's CIFAR-10 airbench (arXiv:2404.00498).

What makes them learn in few epochs: a first convolution that whitens 2x2 patches and is not trained, so that
no step is spent on finding edges; later filters that begin as identities; norms that only shift; and global
max pooling. Here SiLU stands for GELU.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

PATCH = 2  # side of the patches that are whitened
WHITENED = 2 * 3 * PATCH**2  # every direction of the 12 numbers in a patch, with both signs
EIGENVALUE_FLOOR = 5e-4  # keeps directions that hold hardly anything but noise from being blown up


class BatchNorm(nn.BatchNorm2D):
    """A norm whose scale stays one; its running statistics follow within a few steps.

    Paddle computes no gradient of the shift where the scale is frozen or absent, so it has one: of zero.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, momentum=0.8, epsilon=1e-8)
        self.weight.register_hook(lambda gradient: gradient * 0)


def _convolution(in_channels: int, channels: int) -> nn.Conv2D:
    """3x3; its first ``in_channels`` filters begin as identities, the others at random."""
    reach = 1 / math.sqrt(9 * in_channels)
    weight_attr = paddle.ParamAttr(initializer=nn.initializer.Uniform(-reach, reach))
    layer = nn.Conv2D(in_channels, channels, 3, padding=1, weight_attr=weight_attr, bias_attr=False)
    weight = layer.weight.numpy().copy()
    same = np.arange(min(in_channels, channels))
    weight[same] = 0.0
    weight[same, same, 1, 1] = 1.0
    layer.weight.set_value(weight)
    return layer


class ConvGroup(nn.Layer):
    """Two convolutions, the first of them pooled; [N, C, H, W] to half the height and width.

    With ``residual`` a third one follows, whose result is added to what it began from, and the pooling
    keeps the last row and column of an odd map. airbench's own leaves them out: of the 31x31 map that
    whitening makes of an image, the 3x3 of its last group stand for 24x24.
    """

    def __init__(self, in_channels: int, channels: int, residual: bool) -> None:
        super().__init__()
        self.conv1 = _convolution(in_channels, channels)
        self.pool = nn.MaxPool2D(2, ceil_mode=residual)
        self.norm1 = BatchNorm(channels)
        self.conv2 = _convolution(channels, channels)
        self.norm2 = BatchNorm(channels)
        self.conv3 = _convolution(channels, channels) if residual else None
        self.norm3 = BatchNorm(channels) if residual else None

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] to [N, channels, H / 2, W / 2], rounded up with ``residual``, else down."""
        x = F.silu(self.norm1(self.pool(self.conv1(x))))
        y = F.silu(self.norm2(self.conv2(x)))
        if self.conv3 is None:
            return y
        return F.silu(self.norm3(self.conv3(y)) + x)


class Airbench(nn.Layer):
    """[N, 3, H, W], H and W at least 17, to logits [N, num_classes], through three groups of ``widths``.

    Until :meth:`whiten` has seen training images the first convolution is a random orthogonal one.
    """

    def __init__(self, widths: Sequence[int], residual: bool = False, num_classes: int = 100) -> None:
        super().__init__()
        self.whitening = nn.Conv2D(3, WHITENED, PATCH)
        self.whitening.weight.stop_gradient = True
        directions = np.linalg.qr(paddle.randn([WHITENED // 2] * 2).numpy())[0]
        self._set_whitening(directions.T)
        inputs = (WHITENED, *widths[:-1])
        self.groups = nn.Sequential(
            *(ConvGroup(before, width, residual) for before, width in zip(inputs, widths, strict=True))
        )
        # Filters that begin as identities give large outputs: a small head begins with an even guess.
        small = paddle.ParamAttr(initializer=nn.initializer.Normal(std=1 / widths[-1]))
        self.head = nn.Linear(widths[-1], num_classes, weight_attr=small, bias_attr=False)

    def whiten(self, images: np.ndarray) -> None:
        """Let the first convolution make uncorrelated numbers of unit variance out of 2x2 patches.

        Args:
            images: float32 (N, 3, H, W) as the network gets them in training, a few thousand.
        """
        windows = np.lib.stride_tricks.sliding_window_view(images, (PATCH, PATCH), axis=(2, 3))
        patches = windows.transpose(0, 2, 3, 1, 4, 5).reshape(-1, 3 * PATCH**2)
        moments = (patches.T @ patches).astype(np.float64) / len(patches)
        eigenvalues, eigenvectors = np.linalg.eigh(moments)
        self._set_whitening((eigenvectors / np.sqrt(eigenvalues + EIGENVALUE_FLOOR)).T)

    def _set_whitening(self, rows: np.ndarray) -> None:
        filters = np.concatenate([rows, -rows]).reshape(-1, 3, PATCH, PATCH)
        self.whitening.weight.set_value(filters.astype(np.float32))
        self.whitening.bias.set_value(np.zeros(WHITENED, np.float32))

    def forward(self, image: Tensor) -> Tensor:
        """[N, 3, H, W] to logits [N, num_classes]."""
        x = self.groups(F.silu(self.whitening(image)))
        # Not x.max(): Paddle's gradient of it takes a quarter of a training step on a CPU.
        return self.head(F.max_pool2d(x, x.shape[2:]).flatten(1))


def airbench(widths: Sequence[int], residual: bool, stem: str, num_classes: int) -> Airbench:
    """The network; ``names.CIFAR_STEM_ONLY`` has already ruled out the ImageNet stem."""
    assert stem == "cifar"
    return Airbench(widths, residual, num_classes)
