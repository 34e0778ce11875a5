"""Optimizers, learning-rate schedules and losses."""

from paddle_cifar.optim.losses import LOSSES, CrossEntropy, build_loss
from paddle_cifar.optim.optimizers import OPTIMIZERS, build_optimizer
from paddle_cifar.optim.sam import SharpnessAware
from paddle_cifar.optim.schedules import SCHEDULES, build_schedule

__all__ = [
    "LOSSES",
    "OPTIMIZERS",
    "SCHEDULES",
    "CrossEntropy",
    "SharpnessAware",
    "build_loss",
    "build_optimizer",
    "build_schedule",
]
