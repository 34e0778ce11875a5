"""ResNets on CIFAR-100 with PaddlePaddle's high-level API.

What a notebook needs is here by name, and imported only when it is used:

    from paddle_cifar import TrainConfig, recipe, train
    result = train(recipe("quick"))
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

# Where each public name lives. Importing the package stays quick: Paddle comes with the first use.
_HOME = {
    "TrainConfig": "config",
    "recipe": "recipes",
    "Cifar100": "data.cifar100",
    "BatchLoader": "data.loader",
    "normalise": "data.loader",
    "build_augmentations": "data.augment",
    "build_mixing": "data.augment",
    "load_datasets": "data.load",
    "build_network": "models",
    "choose_arithmetic": "precision",
    "choose_device": "environment",
    "import_paddle": "environment",
    "build_loaders": "assembly",
    "build_model": "assembly",
    "initial_network": "assembly",
    "train": "trainer",
    "evaluate_run": "evaluation",
    "Classifier": "prediction.classifier",
    "find_lr": "lr_finder",
    "evaluate_predictions": "report",
}
_WITHOUT_PADDLE = {"config", "recipes", "environment", "data.loader", "data.augment"}
__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'paddle_cifar' has no attribute '{name}'")
    if _HOME[name] not in _WITHOUT_PADDLE:
        from paddle_cifar.environment import import_paddle

        import_paddle()  # first, so that all cores are used
    return getattr(importlib.import_module(f"paddle_cifar.{_HOME[name]}"), name)
