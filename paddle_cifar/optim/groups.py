"""Which parameters get which rate and which weight decay."""

from __future__ import annotations

from typing import Any

import paddle
from paddle import nn


def head_of(network: nn.Layer) -> nn.Linear | nn.Conv2D | None:
    """The classifier: the last linear layer, or the last convolution where there is none (SqueezeNet)."""
    for kind in (nn.Linear, nn.Conv2D):
        layers = [layer for layer in network.sublayers(include_self=True) if isinstance(layer, kind)]
        if layers:
            return layers[-1]
    return None


def hidden_weights(network: nn.Layer) -> list[paddle.Tensor]:
    """Trainable kernels and matrices, those of the classifier left out."""
    head = head_of(network)
    return [
        parameter
        for parameter in network.parameters()
        if parameter.ndim > 1
        and not parameter.stop_gradient
        and (head is None or parameter is not head.weight)
    ]


def parameter_groups(
    network: nn.Layer, weight_decay: float, head_lr: float = 1.0, norm_lr: float = 1.0
) -> list[dict[str, Any]]:
    """Groups for Paddle's optimizers: matrices and kernels with ``weight_decay``, norms and biases without.

    Decaying the scale of a norm or a bias regularises nothing and costs
    accuracy in short runs (He et al. 2018, arXiv:1812.01187, section 3.1).

    Args:
        head_lr: factor on the rate of the classifier, its bias included. The decay is
            divided by it: how far a step pulls the weights to zero (rate times decay) stays.
        norm_lr: factor on the rate of norms and of all other biases.
    """
    head = head_of(network)
    of_head = {p.name for p in head.parameters()} if head is not None else set()
    groups: dict[tuple[float, float], list[paddle.Tensor]] = {}
    for parameter in network.parameters():
        if parameter.stop_gradient:
            continue
        factor = head_lr if parameter.name in of_head else norm_lr if parameter.ndim <= 1 else 1.0
        decay = weight_decay / factor if parameter.ndim > 1 else 0.0
        groups.setdefault((factor, decay), []).append(parameter)
    return [
        {"params": parameters, "learning_rate": factor, "weight_decay": decay}
        for (factor, decay), parameters in groups.items()
    ]


def parameters_of(optimizer: Any) -> list[paddle.Tensor]:
    """The parameters of all groups of an optimizer from ``build_optimizer``, in order."""
    return [parameter for group in optimizer._param_groups for parameter in group["params"]]
