"""The experiment on depth: the course of the loss, and how large gradients are in every layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
from matplotlib.figure import Figure
from paddle import nn

from paddle_cifar.report.figures.style import COLOURS, GREY, MARKERS, styled

SMOOTHED_STEPS = 8


class LossCurve(paddle.callbacks.Callback):
    """Keeps the training loss of every step in ``losses``, in nats; give it to ``paddle.Model.fit``."""

    def __init__(self) -> None:
        super().__init__()
        self.losses: list[float] = []

    def on_train_batch_end(self, step: int, logs: dict[str, Any] | None = None) -> None:
        """Paddle's ``logs["loss"]`` is that of the last batch, as a list or an array of one."""
        self.losses.append(float(np.ravel((logs or {})["loss"])[0]))


def gradient_sizes(network: nn.Layer, image: np.ndarray, label: np.ndarray) -> np.ndarray:
    """How large the first gradient is in every convolution, from the image to the classifier.

    Args:
        network: as it was built; its running statistics see the batch, its weights are left alone.
        image: float32 (N, 3, H, W), normalised.
        label: int64 (N,).

    Returns:
        (layers,) the norm of each gradient, divided by the norm of the weights it belongs to.
    """
    network.train()
    F.cross_entropy(network(paddle.to_tensor(image)), paddle.to_tensor(label)).backward()
    weights = [layer.weight for layer in network.sublayers() if isinstance(layer, nn.Conv2D)]
    sizes = [float(weight.grad.norm()) / float(weight.norm()) for weight in weights]
    network.clear_gradients()
    return np.array(sizes)


@styled
def depth_figure(losses: Mapping[str, Sequence[float]], gradients: Mapping[str, np.ndarray]) -> Figure:
    """Left the training loss over the steps, right the gradients of the untrained networks over their layers.

    The keys of both are the networks' labels; both have the same ones.
    """
    figure = Figure(figsize=(11, 4))
    left, right = figure.subplots(1, 2)
    for index, label in enumerate(losses):
        colour, marker = COLOURS[index], MARKERS[index]
        steps = np.arange(1, len(losses[label]) + 1)
        left.plot(steps, losses[label], color=colour, linewidth=0.6, alpha=0.3)
        smooth = running_mean(losses[label], SMOOTHED_STEPS)
        left.plot(steps, smooth, color=colour, label=f"{label}: {smooth[-1]:.2f} at the end")
        sizes = gradients[label]
        right.plot(range(1, len(sizes) + 1), sizes, color=colour, marker=marker, markersize=3, label=label)
    left.axhline(np.log(100), color=GREY, linestyle=":", linewidth=1, label="guessing: ln 100")
    left.set(title="Training loss", xlabel="step", ylabel="cross-entropy (nats)")
    left.legend(loc="upper right")
    right.set(
        title="Before the first step: gradient of each layer",
        xlabel="layer, from the image to the classifier",
        ylabel="norm of the gradient / norm of the weights",
        yscale="log",
    )
    right.legend(loc="upper right")
    return figure


def running_mean(values: Sequence[float], window: int) -> np.ndarray:
    """Mean of each value and those before it, ``window`` of them at most; (S,) to (S,)."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    last = np.arange(1, len(values) + 1)
    first = np.maximum(0, last - window)
    return (sums[last] - sums[first]) / (last - first)
