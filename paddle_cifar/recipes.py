"""Named presets of ``TrainConfig``. Each docstring gives source, command, and what to expect."""

from __future__ import annotations

from collections.abc import Callable

from paddle_cifar.config import TrainConfig
from paddle_cifar.errors import unknown_name


def default() -> TrainConfig:
    """ResNet-18 with the CIFAR stem in 20 epochs at a peak rate of 0.01.

    SGD with Nesterov momentum and a one-cycle rate (Smith 2018, arXiv:1803.09820).
    For weights followed by a batch norm only the product of rate and decay
    counts once they have reached equilibrium (van Laarhoven 2017,
    arXiv:1706.05350): rate 0.01 with decay 5e-3 stands for the usual 0.1 with 5e-4.

        python main.py --epochs 20 --lr 0.01
    """
    return TrainConfig()


def lab() -> TrainConfig:
    """The AI Studio lab: Paddle's ResNet as it comes, Adam at 0.001, batch 256, no augmentation.

    The lab reports 34.69 % after 20 epochs and over ten hours on a laptop's CPU;
    it does not say which ResNet it drew.

        python main.py --recipe lab --model resnet18 --epochs 20
    """
    return TrainConfig(
        recipe="lab",
        stem="imagenet",
        augment="none",
        optimizer="adam",
        lr=1e-3,
        schedule="constant",
        weight_decay=0.0,
        label_smoothing=0.0,
        batch_size=256,
        drop_last=False,
    )


def quick() -> TrainConfig:
    """A first try that ends within a minute on any machine: LeNet-5, 70,000 parameters.

    Above 97 % on the drawn stand-in:

        python main.py --recipe quick --dataset synthetic
    """
    return TrainConfig(
        recipe="quick",
        model="lenet",
        epochs=8,
        batch_size=64,
        optimizer="adam",
        lr=6e-3,
        weight_decay=0.0,
        log_freq=20,
    )


RECIPES: dict[str, Callable[[], TrainConfig]] = {"default": default, "lab": lab, "quick": quick}


def recipe(name: str) -> TrainConfig:
    """The config of a named recipe; UsageError with the nearest names for an unknown one."""
    if name not in RECIPES:
        raise unknown_name("recipe", name, RECIPES)
    return RECIPES[name]()
