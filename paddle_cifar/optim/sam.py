"""Sharpness-aware minimisation: the gradient is taken where the loss nearby is highest."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import paddle
from paddle import nn

from paddle_cifar.optim.groups import parameters_of


class SharpnessAware:
    """Gives an optimizer SAM's second pass (Foret et al. 2020, arXiv:2010.01412).

    ``paddle.Model.train_batch`` makes the first forward and backward pass and then
    calls ``optimizer.minimize``, so the second one is made in there: this is the
    one place. What it needs again, hooks saw going by: the image before the
    network, the label before the loss. The weights go rho along the gradient, the
    passes are repeated, the weights go back, and the optimizer steps with the new
    gradient. Metrics and loss are those of the first pass.

    Running statistics of norms are left alone in the second pass, and random
    layers (dropout) draw in it what they drew in the first.

    Args:
        optimizer: its ``minimize`` is replaced.
        network, loss: called again.
        rho: how far the weights go, in the norm of all weights together.
        adaptive: measure distances relative to each parameter (ASAM, Kwon et al. 2021, arXiv:2102.11600,
            as in davda54/sam, which the series uses; the authors' code adds eta, and leaves
            biases unscaled); rho is then about 40 times as large.
    """

    def __init__(
        self, optimizer: Any, network: nn.Layer, loss: nn.Layer, rho: float, adaptive: bool = False
    ) -> None:
        self.parameters = parameters_of(optimizer)
        self.network, self.loss = network, loss
        self.rho, self.adaptive = rho, adaptive
        self._inputs: Any = ()
        self._labels: Any = ()
        self._random_state: Any = None
        network.register_forward_pre_hook(self._see_inputs)
        loss.register_forward_pre_hook(self._see_labels)
        update = optimizer.minimize

        def minimize(loss: paddle.Tensor, *_: Any, **__: Any) -> Any:
            self.second_pass()
            return update(loss)

        optimizer.minimize = minimize

    def _see_inputs(self, network: nn.Layer, inputs: Any) -> None:
        if network.training:
            self._inputs, self._random_state = inputs, paddle.get_rng_state()

    def _see_labels(self, loss: nn.Layer, inputs: Any) -> None:
        if self.network.training:
            self._labels = inputs[1:]

    def second_pass(self) -> None:
        """Replace the gradients by those at the worst weights nearby; the weights stay as they are."""
        with frozen_statistics(self.network), self._worst_weights():
            paddle.set_rng_state(self._random_state)
            self.loss(self.network(*self._inputs), *self._labels).backward()
        self._inputs = self._labels = ()  # a batch's images need not be kept until the next

    @contextlib.contextmanager
    def _worst_weights(self) -> Iterator[None]:
        with paddle.no_grad():
            moved = [parameter for parameter in self.parameters if parameter.grad is not None]
            before = [parameter.clone() for parameter in moved]
            slopes = [p.grad * p.abs() if self.adaptive else p.grad for p in moved]
            norm = float(paddle.stack([(slope * slope).sum() for slope in slopes]).sum().sqrt())
            for parameter, slope in zip(moved, slopes, strict=True):
                way = slope * parameter.abs() if self.adaptive else slope
                parameter.add_(way * (self.rho / (norm + 1e-12)))
        self.network.clear_gradients()
        try:
            yield
        finally:
            # Not by subtracting, which would leave rounding errors, nor by set_value, with which Paddle 2.6
            # takes the way over the host.
            with paddle.no_grad():
                for parameter, value in zip(moved, before, strict=True):
                    paddle.assign(value, parameter)


@contextlib.contextmanager
def frozen_statistics(network: nn.Layer) -> Iterator[None]:
    """Batch norms normalise by the batch as always, but leave their running statistics as they are."""
    norms = [layer for layer in network.sublayers(include_self=True) if hasattr(layer, "_mean")]
    momenta = [norm._momentum for norm in norms]
    for norm in norms:
        norm._momentum = 1.0  # the share that is kept; so for Paddle's kernels and the engine's alike
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm._momentum = momentum
