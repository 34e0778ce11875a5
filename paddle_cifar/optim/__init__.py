"""Optimizers, learning-rate schedules and losses."""

from paddle_cifar.optim.losses import CrossEntropy
from paddle_cifar.optim.optimizers import OPTIMIZERS, build_optimizer
from paddle_cifar.optim.schedules import SCHEDULES, build_schedule

__all__ = ["OPTIMIZERS", "SCHEDULES", "CrossEntropy", "build_optimizer", "build_schedule"]
