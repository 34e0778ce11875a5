"""Paddle's optimizers, with weight decay on the weights that should have it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import paddle

from paddle_cifar.errors import unknown_name


def parameter_groups(network: paddle.nn.Layer, weight_decay: float) -> list[dict[str, Any]]:
    """Two groups: matrices and kernels with ``weight_decay``, norms and biases (one-dimensional) without.

    Decaying the scale of a norm or a bias regularises nothing and costs
    accuracy in short runs (He et al. 2018, arXiv:1812.01187, section 3.1).
    """
    trainable = [p for p in network.parameters() if not p.stop_gradient]
    groups = [
        {"params": [p for p in trainable if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trainable if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def sgd(momentum: float, **arguments: Any) -> paddle.optimizer.Optimizer:
    """SGD with Nesterov momentum."""
    return paddle.optimizer.Momentum(momentum=momentum, use_nesterov=True, **arguments)


def adam(momentum: float, **arguments: Any) -> paddle.optimizer.Optimizer:
    """Adam (Kingma & Ba 2014, arXiv:1412.6980); weight decay, if any, is part of the gradient."""
    return paddle.optimizer.Adam(**arguments)


def adamw(momentum: float, **arguments: Any) -> paddle.optimizer.Optimizer:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2017, arXiv:1711.05101)."""
    return paddle.optimizer.AdamW(**arguments)


OPTIMIZERS: dict[str, Callable[..., paddle.optimizer.Optimizer]] = {"sgd": sgd, "adam": adam, "adamw": adamw}


def build_optimizer(
    name: str,
    network: paddle.nn.Layer,
    learning_rate: float | paddle.optimizer.lr.LRScheduler,
    weight_decay: float = 0.0,
    momentum: float = 0.9,
    grad_clip: float = 0.0,
) -> paddle.optimizer.Optimizer:
    """The named optimizer over ``network``'s trainable parameters.

    Args:
        name: a key of OPTIMIZERS.
        weight_decay: of weights; norms and biases have none.
        momentum: used by sgd.
        grad_clip: largest global norm of the gradients (0: no clipping).

    Raises:
        UsageError: for an unknown name.
    """
    if name not in OPTIMIZERS:
        raise unknown_name("optimizer", name, OPTIMIZERS)
    optimizer = OPTIMIZERS[name](
        momentum=momentum,
        learning_rate=learning_rate,
        parameters=parameter_groups(network, weight_decay),
        grad_clip=paddle.nn.ClipGradByGlobalNorm(grad_clip) if grad_clip else None,
    )

    def minimize(loss: paddle.Tensor, *_: Any, **__: Any) -> tuple[None, None]:
        optimizer.step()
        return None, None  # GradScaler unpacks two values

    # paddle.Model calls minimize, which does not know parameter groups; step does.
    optimizer.minimize = minimize
    return optimizer
