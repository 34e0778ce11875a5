"""From a name to a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paddle_cifar.errors import UsageError, unknown_name
from paddle_cifar.models.names import CIFAR_STEM_ONLY, MODEL_NAMES, STEMS

if TYPE_CHECKING:
    from paddle import nn


def check_model(name: str, stem: str = "cifar") -> None:
    """Raise ``UsageError`` unless ``name`` can be built with ``stem``. Needs no Paddle."""
    if name not in MODEL_NAMES:
        raise unknown_name("model", name, MODEL_NAMES)
    if stem not in STEMS:
        raise unknown_name("stem", stem, STEMS)
    if stem == "imagenet" and name in CIFAR_STEM_ONLY:
        raise UsageError(f"{name} has no ImageNet stem that takes 32x32 images; use --stem cifar")


def build_network(name: str, stem: str = "cifar", num_classes: int = 100) -> nn.Layer:
    """The network ``name``: images [N, 3, 32, 32] in, logits [N, num_classes] out.

    ``stem="cifar"`` fits the early layers to 32x32 images (see ``fitting.py``);
    ``stem="imagenet"`` keeps those designed for 224x224. Weights start from
    Paddle's default initialisers, governed by ``paddle.seed``.
    """
    check_model(name, stem)
    from paddle_cifar.models.catalogue import NETWORKS  # here, because it imports Paddle

    return NETWORKS[name](stem, num_classes)
