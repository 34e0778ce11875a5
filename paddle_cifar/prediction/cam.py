"""Where a network looks: class-activation maps by gradients (Selvaraju et al. 2017, arXiv:1610.02391)."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
from PIL import Image

from paddle_cifar.data.loader import normalise
from paddle_cifar.data.sizes import FULL_SIDE
from paddle_cifar.prediction.classifier import Classifier


def class_activation(classifier: Classifier, image: np.ndarray, label: int) -> np.ndarray:
    """How much each place speaks for a class: float32 (32, 32), from 0 to 1; all 0 if none does.

    The last feature maps that are larger than a pixel are weighted by the mean gradient of the class's
    logit and summed; what is negative counts as 0. With average pooling and one linear layer behind
    them, this is the class-activation map of Zhou et al. 2016 (arXiv:1512.04150).

    Args:
        classifier: of any network whose maps are (N, C, H, W).
        image: uint8 (3, 32, 32).
        label: number of the class.
    """
    maps, slopes = _last_maps(classifier, image, label)
    weights = slopes.mean(axis=(1, 2), keepdims=True)
    activation = np.maximum((weights * maps).sum(axis=0), 0)
    if (highest := float(activation.max())) > 0:
        activation = activation / highest
    scaled = Image.fromarray(activation.astype(np.float32)).resize(
        (FULL_SIDE, FULL_SIDE), Image.Resampling.BILINEAR
    )
    return np.asarray(scaled)


def overlay(image: np.ndarray, activation: np.ndarray) -> np.ndarray:
    """The picture, uint8 (32, 32, 3), in grey with red where ``activation`` (32, 32) is high."""
    grey = image.astype(np.float32).mean(axis=0)[..., None]
    share = 0.7 * activation[..., None]
    return np.rint(grey * (1 - share) + np.array([255, 0, 0], np.float32) * share).astype(np.uint8)


def _last_maps(classifier: Classifier, image: np.ndarray, label: int) -> tuple[np.ndarray, np.ndarray]:
    """The last maps (C, H, W) with more than a pixel, and the logit's gradient by them; zeros without any."""
    seen: list[paddle.Tensor] = []

    def keep(layer: paddle.nn.Layer, inputs: Any, output: Any) -> None:
        if isinstance(output, paddle.Tensor) and output.ndim == 4 and output.shape[2] * output.shape[3] > 1:
            seen.append(output)

    network = classifier.trained.network
    with classifier.alone(), paddle.enable_grad():
        hooks = [layer.register_forward_post_hook(keep) for layer in network.sublayers()]
        try:
            logits = network(paddle.to_tensor(normalise(image[None])))
        finally:
            for hook in hooks:
                hook.remove()
        if not seen:
            return np.zeros((1, 1, 1), np.float32), np.zeros((1, 1, 1), np.float32)
        slope = paddle.grad(logits[0, label], seen[-1])[0]
    return seen[-1][0].astype("float32").numpy(), slope[0].astype("float32").numpy()
