"""Initial weights: what a network starts from, drawn by Paddle's generator (``paddle.seed``)."""

from __future__ import annotations

import math
from collections.abc import Callable

import paddle
from paddle import nn

from paddle_cifar.errors import unknown_name
from paddle_cifar.models.trial import trial_pass


def keep(network: nn.Layer) -> None:
    """Paddle's own: convolutions normal with variance 2 / inputs, linear layers uniform (Glorot's)."""


def kaiming(network: nn.Layer) -> None:
    """He et al. 2015, arXiv:1502.01852, as PyTorch's ResNets have it.

    Convolutions normal with variance 2 / (out * height * width), so that gradients
    keep their size (fan_out; of grouped ones only the outputs of a group count, in PyTorch all
    do); norms 1 and 0; linear layers uniform within one over the root of the inputs; biases 0.
    """
    for layer in network.sublayers(include_self=True):
        if isinstance(layer, nn.Conv2D):
            outputs, _, height, width = layer.weight.shape
            outputs //= layer._groups
            spread = nn.initializer.Normal(0.0, math.sqrt(2 / (outputs * height * width)))
        elif isinstance(layer, nn.Linear):
            bound = 1 / math.sqrt(layer.weight.shape[0])
            spread = nn.initializer.Uniform(-bound, bound)
        elif is_norm(layer) and layer.weight is not None:
            spread = nn.initializer.Constant(1.0)
        else:
            continue
        spread(layer.weight)
        if layer.bias is not None:
            nn.initializer.Constant(0.0)(layer.bias)


def dirac(network: nn.Layer) -> None:
    """The first filters of each 3x3 convolution, as many as it has inputs, hand their input on.

    From Keller Jordan's cifar10-airbench: what comes in is not lost on the way down,
    from the first step on. The other filters, and all other layers, keep Paddle's.
    """
    for layer in network.sublayers(include_self=True):
        if isinstance(layer, nn.Conv2D) and layer._groups == 1 and layer.weight.shape[2:] == [3, 3]:
            weight = layer.weight.numpy()
            count = min(weight.shape[:2])
            weight[:count] = 0
            weight[range(count), range(count), 1, 1] = 1
            layer.weight.set_value(weight)


INITS: dict[str, Callable[[nn.Layer], None]] = {"paddle": keep, "kaiming": kaiming, "dirac": dirac}


@paddle.no_grad()
def initialise(network: nn.Layer, name: str = "paddle", scale: float = 1.0) -> None:
    """Draw a network's weights anew.

    Args:
        network: with Paddle's initial weights.
        name: a key of INITS.
        scale: factor on the weights of convolutions that a norm follows. Their length is
            nothing to the norm, but everything to the rate: with SGD, factor s, rate
            s^2 lr and decay wd / s^2 train as do 1, lr and wd. (The head and norms need the old
            rate: head_lr and norm_lr of 1 / s^2.) So 0.1 with 5e-4 is 0.01 with 5e-3 and s = sqrt(0.1).

    Raises:
        UsageError: for an unknown name.
    """
    if name not in INITS:
        raise unknown_name("init", name, INITS)
    INITS[name](network)
    if scale != 1.0:
        for layer in normalised_convolutions(network):
            layer.weight.scale_(scale)


def is_norm(layer: nn.Layer) -> bool:
    """Whether a layer is a batch norm; all norms here are."""
    return hasattr(layer, "_mean") and hasattr(layer, "_variance")


@paddle.no_grad()
def normalised_convolutions(network: nn.Layer) -> list[nn.Conv2D]:
    """Convolutions whose output, as it is or max-pooled, goes into a batch norm; found by a forward pass.

    Such a one counts too if its output also goes elsewhere, as that of a pre-activation network's first.
    """
    made: list[tuple[paddle.Tensor, nn.Conv2D]] = []
    found: list[nn.Conv2D] = []

    def see_output(layer: nn.Conv2D, _: tuple, output: paddle.Tensor) -> None:
        made.append((output, layer))

    def see_pooled(_: nn.MaxPool2D, inputs: tuple, output: paddle.Tensor) -> None:
        made.extend([(output, layer) for pooled, layer in made if pooled is inputs[0]])

    def see_input(_: nn.Layer, inputs: tuple) -> None:
        found.extend(layer for output, layer in made if output is inputs[0])

    handles = []
    for layer in network.sublayers(include_self=True):
        if isinstance(layer, nn.Conv2D):
            handles.append(layer.register_forward_post_hook(see_output))
        elif isinstance(layer, nn.MaxPool2D):
            handles.append(layer.register_forward_post_hook(see_pooled))
        elif is_norm(layer):
            handles.append(layer.register_forward_pre_hook(see_input))
    try:
        trial_pass(network)
    finally:
        for handle in handles:
            handle.remove()
    return found
