"""Optimizers by name: Paddle's own and those of this folder, with everything that can be put around them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import paddle

from paddle_cifar.errors import unknown_name
from paddle_cifar.optim.groups import hidden_weights, parameter_groups, parameters_of
from paddle_cifar.optim.lookahead import Lookahead
from paddle_cifar.optim.muon import Muon, Product
from paddle_cifar.optim.radam import RAdam

RANGER_STEPS = 6  # of its Lookahead


def sgd(momentum: float, **arguments: Any) -> Any:
    """SGD with Nesterov momentum."""
    return paddle.optimizer.Momentum(momentum=momentum, use_nesterov=True, **arguments)


def adam(momentum: float, **arguments: Any) -> Any:
    """Adam (Kingma & Ba 2014, arXiv:1412.6980); weight decay, if any, is part of the gradient."""
    return paddle.optimizer.Adam(**arguments)


def adamw(momentum: float, **arguments: Any) -> Any:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2017, arXiv:1711.05101)."""
    return paddle.optimizer.AdamW(**arguments)


def ranger(momentum: float, **arguments: Any) -> Any:
    """RAdam with the numbers of Wright's Ranger (https://github.com/lessw2020/Ranger-Deep-Learning-Optimizer).

    ``build_optimizer`` puts Lookahead around it.
    """
    return RAdam(paddle.optimizer.SGD(**arguments), beta1=0.95, epsilon=1e-5)


# Muon is not among them: it must be told which weights it is for.
PLAIN: dict[str, Callable[..., Any]] = {"sgd": sgd, "adam": adam, "adamw": adamw, "ranger": ranger}
OPTIMIZERS = (*PLAIN, "muon")


def build_optimizer(
    name: str,
    network: paddle.nn.Layer,
    learning_rate: float | paddle.optimizer.lr.LRScheduler,
    weight_decay: float = 0.0,
    momentum: float = 0.9,
    grad_clip: float = 0.0,
    head_lr: float = 1.0,
    norm_lr: float = 1.0,
    lookahead_steps: int = 0,
    lookahead_share: float = 0.5,
    lookahead_ramp: int = 0,
    muon_steps: int = 5,
    muon_renormalize: bool = False,
    product: Product = paddle.matmul,
) -> Any:
    """The named optimizer over ``network``'s trainable parameters, for ``paddle.Model.prepare``.

    Args:
        name: one of OPTIMIZERS.
        weight_decay: of weights; norms and biases have none.
        momentum: used by sgd and muon.
        grad_clip: largest global norm of the gradients (0: no clipping).
        head_lr, norm_lr: factors on the rates of the classifier, and of norms and biases.
        lookahead_steps: steps between two of Lookahead's (0: none, or ranger's own 6).
        lookahead_share: how far its slow weights follow.
        lookahead_ramp: steps over which they come to that from following all the way (0: from the start).
        muon_steps, muon_renormalize, product: see ``Muon``.

    Raises:
        UsageError: for an unknown name.
    """
    if name not in OPTIMIZERS:
        raise unknown_name("optimizer", name, OPTIMIZERS)
    groups = parameter_groups(network, weight_decay, head_lr, norm_lr)
    arguments = {"learning_rate": learning_rate, "parameters": groups}
    if name == "muon":
        optimizer = sgd(momentum, **arguments)
        weights = hidden_weights(network)
        optimizer = Muon(optimizer, weights, weight_decay, momentum, muon_steps, muon_renormalize, product)
    else:
        optimizer = PLAIN[name](momentum, **arguments)
    if name == "ranger" and not lookahead_steps:
        lookahead_steps = RANGER_STEPS
    if lookahead_steps:
        optimizer = Lookahead(optimizer, lookahead_steps, lookahead_share, lookahead_ramp)

    def minimize(loss: paddle.Tensor, *_: Any, **__: Any) -> tuple[None, None]:
        if optimizer._get_auxiliary_var("found_inf"):  # fp16: the gradients overflowed, GradScaler told us
            optimizer._set_auxiliary_var("found_inf", True)  # a bool, as Paddle's optimizers leave it
        else:
            if grad_clip:
                clip_gradients(parameters_of(optimizer), grad_clip)
            optimizer.step()
        return None, None  # GradScaler unpacks two values

    # paddle.Model calls minimize, which does not know parameter groups; step does.
    optimizer.minimize = minimize
    return optimizer


@paddle.no_grad()
def clip_gradients(parameters: list[paddle.Tensor], largest: float) -> None:
    """Scale all gradients alike, in place, so that the norm of all their numbers is at most ``largest``.

    Paddle's ``ClipGradByGlobalNorm`` takes the norm of each parameter group by itself.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = float(paddle.stack([(gradient * gradient).sum() for gradient in gradients]).sum().sqrt())
    if norm > largest:
        for gradient in gradients:
            gradient.scale_(largest / norm)
