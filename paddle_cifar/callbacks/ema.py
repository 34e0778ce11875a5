"""An exponential moving average of the weights, evaluated and saved in their place."""

from __future__ import annotations

from typing import Any

import paddle
from paddle import nn


class WeightAverage(paddle.callbacks.Callback):
    """Follows weights and norm statistics after every step; evaluations see the average.

    After step t (from 0) average += (1 - d) (weights - average), where d is ``decay``, but
    no more than (1 + t) / (10 + t): otherwise the random initial weights would stay in it for
    long. Running statistics of norms are averaged alike, so that they are those of
    about the same moments as the weights.

    Must be called after the guard, which handles losses that are not finite, and before
    whatever looks at the weights after an evaluation: they are the trained ones again then.

    Args:
        network: its weights, at the start or restored, begin the average.
        decay: 0 to below 1; the average is over about the last 1 / (1 - decay) steps.
        steps: steps that the average has followed already, when a run is resumed.
    """

    def __init__(self, network: nn.Layer, decay: float, steps: int = 0) -> None:
        super().__init__()
        self.decay, self.steps = decay, steps
        self.current = {
            name: value for name, value in network.state_dict().items() if value.dtype == paddle.float32
        }
        self.average = {name: value.detach().clone() for name, value in self.current.items()}
        self.swapped = False

    @paddle.no_grad()
    def update(self) -> None:
        """Follow the weights one step."""
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for name, average in self.average.items():
            average.add_((self.current[name] - average).scale_(1 - decay))
        self.steps += 1

    @paddle.no_grad()
    def swap(self) -> None:
        """Exchange the network's weights and the average."""
        for name, value in self.current.items():
            kept = value.detach().clone()
            value.set_value(self.average[name])
            self.average[name] = kept
        self.swapped = not self.swapped

    def restore(self, values: dict[str, Any]) -> None:
        """Go on from a stored average; the weights begin a new one where there is none."""
        for name, value in self.current.items():
            self.average[name] = paddle.to_tensor(values[name]) if name in values else value.detach().clone()

    def on_train_batch_end(self, step: int, logs: dict[str, Any] | None = None) -> None:
        """The optimizer has made its step."""
        self.update()

    def on_eval_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Evaluate the average."""
        self.swap()

    def on_eval_end(self, logs: dict[str, Any] | None = None) -> None:
        """Go on training the weights."""
        self.swap()
