"""What the values of a ``TrainConfig`` must be; names that can be chosen are checked beside their lists."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from paddle_cifar.errors import UsageError, flag

if TYPE_CHECKING:
    from paddle_cifar.config import TrainConfig


def check_values(config: TrainConfig) -> None:
    """UsageError, naming the flag and its rule, for the first value that no run can have."""

    def require(name: str, holds: bool, rule: str) -> None:
        if not holds:
            raise UsageError(f"{flag(name)} is {getattr(config, name)}; it must be {rule}")

    for name in ("epochs", "batch_size", "log_freq", "keep"):
        require(name, getattr(config, name) >= 1, "at least 1")
    for name in (
        "val_split",
        "patience",
        "seed",
        "threads",
        "limit_steps",
        "save_steps",
        "lookahead_steps",
        "curve_images",
    ):
        require(name, getattr(config, name) >= 0, "0 or more")
    require(
        "synthetic_size",
        config.synthetic_size >= 500,
        "at least 500 (five training images and one test image a class)",
    )
    for name in ("lr", "head_lr", "norm_lr", "init_scale", "schedule_power"):
        value = getattr(config, name)
        require(name, math.isfinite(value) and value > 0, "a positive number")
    for name in ("momentum", "label_smoothing", "ema_decay", "hold_share"):
        require(name, 0 <= getattr(config, name) < 1, "at least 0 and below 1")
    for name in ("weight_decay", "grad_clip", "sam_rho", "focal_gamma"):
        value = getattr(config, name)
        require(name, math.isfinite(value) and value >= 0, "0 or more")
    require("lookahead_share", 0 < config.lookahead_share <= 1, "above 0 and at most 1")
    require(
        "lookahead_ramp",
        not config.lookahead_ramp or config.lookahead_steps > 0,
        "used together with --lookahead-steps, or off: --no-lookahead-ramp",
    )
    require("muon_steps", 1 <= config.muon_steps <= 6, "from 1 to 6")
    require("sam_adaptive", not config.sam_adaptive or config.sam_rho > 0, "used together with --sam-rho")
    require("sam_rho", not (config.sam_rho and config.precision == "fp16"), "0 with --precision fp16")
    require("warmup_epochs", 0 <= config.warmup_epochs < config.epochs, "0 or more and below --epochs")
    require("freeze_epochs", 0 <= config.freeze_epochs < config.epochs, "0 or more and below --epochs")
    require("kfold", config.kfold == 0 or config.kfold >= 2, "0, or at least 2 folds")
    require("kfold", not (config.kfold and config.val_split), "used without --val-split")
    require("fold", 1 <= config.fold <= max(1, config.kfold), "from 1 to --kfold")
    require("seed", config.seed < 2**32, "below 2**32")
    require("name", _is_folder_name(config.name), "a plain folder name of at most 100 characters")
    require("patience", not config.patience or config.val_split > 0, "used together with --val-split")


def _is_folder_name(name: str) -> bool:
    """Whether a name (or none) makes a folder right below --output on every system."""
    return (
        len(name) <= 100
        and name not in (".", "..")
        and name.isprintable()
        and not set(name) & set('/\\:*?"<>|')
    )
