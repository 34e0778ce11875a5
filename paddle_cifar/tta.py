"""Test-time augmentation: the logits of several views of an image are averaged.

The views and their weights are those of airbench (Jordan 2024, arXiv:2404.00498, multi-crop
evaluation; ``infer_mirror_translate`` in github.com/KellerJordan/cifar10-airbench).
"""

from __future__ import annotations

from typing import NamedTuple

import paddle
import paddle.nn.functional as F

from paddle_cifar.errors import unknown_name


class View(NamedTuple):
    """The image moved ``shift`` pixels down and right, mirrored or not, and its weight in the mean."""

    shift: int
    mirrored: bool
    weight: float


VIEWS: dict[str, tuple[View, ...]] = {
    "none": (View(0, False, 1.0),),
    "mirror": (View(0, False, 0.5), View(0, True, 0.5)),
    # Half of the weight stays with the image where it is, half goes to one pixel along the diagonal.
    "shifts": (
        *(View(0, mirrored, 0.25) for mirrored in (False, True)),
        *(View(shift, mirrored, 0.125) for shift in (1, -1) for mirrored in (False, True)),
    ),
}


def view_of(image: paddle.Tensor, view: View) -> paddle.Tensor:
    """One view of normalised images (N, 3, H, W), of the same shape; what moves in is a reflection."""
    height, width = image.shape[2:]
    if view.shift:
        pad, first = abs(view.shift), abs(view.shift) - view.shift
        image = F.pad(image, [pad] * 4, mode="reflect")
        image = image[:, :, first : first + height, first : first + width]
    return image.flip(axis=[3]) if view.mirrored else image


class AveragedViews(paddle.nn.Layer):
    """A network whose logits are the weighted mean over views of its input; for evaluation only.

    Each view is a batch of the same shape, so that the engine's kernels are made once.

    Args:
        network: maps images (N, 3, H, W) to logits (N, C).
        tta: a key of VIEWS.

    Raises:
        UsageError: for an unknown name.
    """

    def __init__(self, network: paddle.nn.Layer, tta: str) -> None:
        super().__init__()
        if tta not in VIEWS:
            raise unknown_name("tta", tta, VIEWS)
        self.network, self.views = network, VIEWS[tta]

    def forward(self, image: paddle.Tensor) -> paddle.Tensor:
        """Mean logits (N, C), float32."""
        weighted = [view.weight * self.network(view_of(image, view)).astype("float32") for view in self.views]
        return paddle.add_n(weighted)
