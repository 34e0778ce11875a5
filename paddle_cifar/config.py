"""One frozen ``TrainConfig`` holds every setting of a run; the flags are made from its fields.

The names that can be chosen stand here too, so that neither Paddle nor numpy has
to be imported to check them; tests hold them against what can be built.
"""

from __future__ import annotations

import dataclasses
import json
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paddle_cifar.config_rules import check_values
from paddle_cifar.data.names import AUGMENTATIONS, parse_augmentations
from paddle_cifar.data.sizes import parse_sizes
from paddle_cifar.engine import ENGINES
from paddle_cifar.engine import PRECISIONS as CPU_PRECISIONS
from paddle_cifar.errors import RunError, UsageError, unknown_name
from paddle_cifar.models import STEMS, check_model

DATASETS = ("cifar100", "synthetic")
DEVICES = ("auto", "cpu", "gpu")
PRECISIONS = (*CPU_PRECISIONS, "fp16")
OPTIMIZERS = ("sgd", "adam", "adamw", "ranger", "muon")
LOSSES = ("cross_entropy", "focal")
INITS = ("paddle", "kaiming", "dirac")
ON_NAN = ("stop", "skip")
TTA = ("none", "mirror", "shifts")
EXPORT_FORMATS = ("paddle", "onnx")
SCHEDULES = ("constant", "step", "cosine", "onecycle", "polynomial", "hold")


def option(default: Any, help: str, choices: tuple[str, ...] | None = None) -> Any:
    """A config field with the text that ``--help`` shows and, where there are few, its choices."""
    return field(default=default, metadata={"help": help, "choices": choices})


@dataclass(frozen=True)
class TrainConfig:
    """Every setting of a training run. The defaults are the plain ones of the ``baseline`` recipe.

    A field becomes a flag (``batch_size`` -> ``--batch-size``); wrong values raise UsageError at once.
    """

    # data
    dataset: str = option(
        "cifar100", "cifar100, or synthetic: a drawn stand-in that needs no download", DATASETS
    )
    data_file: str = option("", "path of cifar-100-python.tar.gz (default: look for it, then download)")
    synthetic_size: int = option(5000, "training images of the stand-in; a fifth as many test images")
    val_split: int = option(0, "training images held out to choose the best epoch (0: the last epoch counts)")
    kfold: int = option(
        0, "hold out one of so many folds instead (0: none); its curve is only shown, the last epoch counts"
    )
    fold: int = option(1, "which fold, from 1; every fold is a run of its own, all with one --seed")
    augment: str = option(
        "crop,flip",
        "augmentations of the training images in their order, each with an optional strength as in "
        f"crop:2,flip: {','.join(AUGMENTATIONS)}, or none",
    )
    sizes: str = option(
        "32", "sides of the training images and their shares of the epochs, as in 16:0.4,24:0.3,32:0.3"
    )

    # network
    model: str = option("resnet18", "network; `python main.py models` lists them")
    stem: str = option("cifar", "first layers: fitted to 32x32, or as Paddle has them for ImageNet", STEMS)
    init: str = option(
        "paddle",
        "initial weights: Paddle's, He's (kaiming), or 3x3 kernels that begin as identity (dirac)",
        INITS,
    )
    init_scale: float = option(1.0, "factor on the initial weights of convolutions followed by a norm")

    # training
    recipe: str = option(
        "baseline",
        "named preset that the other flags change: "
        "default, baseline, tricks, long, speedrun, accurate, lab, quick",
    )
    epochs: int = option(20, "passes over the training images")
    batch_size: int = option(128, "images per step, of all processes together")
    lr: float = option(0.1, "peak learning rate")
    optimizer: str = option("sgd", "sgd has Nesterov momentum; muon is sgd for the rest", OPTIMIZERS)
    momentum: float = option(0.9, "momentum of sgd and muon")
    weight_decay: float = option(5e-4, "decay of weights; norms and biases have none")
    head_lr: float = option(1.0, "factor on the rate of the classifier; its rate times decay stays")
    norm_lr: float = option(1.0, "factor on the rate of norms and biases")
    muon_steps: int = option(5, "rounds of muon's orthogonalisation")
    muon_renormalize: bool = option(
        False, "muon: keep each kernel's norm at the root of its filters, no decay"
    )
    lookahead_steps: int = option(0, "steps of the optimizer to one of Lookahead (0: none; ranger has 6)")
    lookahead_share: float = option(0.5, "how far Lookahead's slow weights follow")
    lookahead_ramp: bool = option(
        False, "let them follow all the way at first, and come to --lookahead-share at the end of the run"
    )
    sam_rho: float = option(
        0.0, "how far away sharpness-aware minimisation takes its gradient; twice the time a step (0: off)"
    )
    sam_adaptive: bool = option(False, "measure --sam-rho relative to each weight (ASAM)")
    ema_decay: float = option(
        0.0, "decay of an average of the weights that is evaluated and saved in their place (0: none)"
    )
    schedule: str = option("onecycle", "course of the rate over the run", SCHEDULES)
    warmup_epochs: float = option(0.0, "epochs of linear warm-up from zero before the schedule starts")
    schedule_power: float = option(2.0, "power of the polynomial schedule; 1 is a straight line")
    hold_share: float = option(
        0.3, "share of the run after the warm-up that the hold schedule stays at the peak"
    )
    loss: str = option("cross_entropy", "training loss", LOSSES)
    focal_gamma: float = option(2.0, "how much less the focal loss counts what is certain")
    label_smoothing: float = option(0.1, "share of the target spread over all classes")
    grad_clip: float = option(0.0, "largest global gradient norm (0: no clipping)")
    drop_last: bool = option(True, "leave out the last, smaller training batch of an epoch")
    freeze_epochs: int = option(
        0, "epochs at the end in which the first stage stays as it is, for less work (0: none)"
    )
    patience: int = option(0, "full-sized epochs to wait for a better validation accuracy (0: any number)")
    seed: int = option(0, "seed of initial weights, order and augmentation")

    # evaluation
    curve_images: int = option(
        0, "about how many test images to evaluate after each epoch; all once more at the end (0: always all)"
    )
    tta: str = option(
        "none", "views averaged in one more evaluation at the end; without a value: shifts (6 views)", TTA
    )

    # machine
    device: str = option("auto", "where to compute", DEVICES)
    engine: str = option("auto", "kernels on a CPU: oneDNN where it can be had, or Paddle's own", ENGINES)
    precision: str = option("auto", "arithmetic; auto is the fastest the device is good at", PRECISIONS)
    threads: int = option(0, "CPU threads (0: all cores)")

    # run
    name: str = option("", "folder name of the run (default: model, recipe and time)")
    output: str = option("outputs", "folder that holds the runs")
    save_steps: int = option(
        0, "training steps between checkpoints (0: one at the start and after every epoch)"
    )
    keep: int = option(2, "how many of the newest checkpoints are kept, besides the best")
    on_nan: str = option("stop", "at a loss that is not finite: stop, or skip the step", ON_NAN)
    resume: str = option(
        "", "go on with a run: its folder, nothing for the newest unfinished one, or auto to start or go on"
    )
    allow_changes: bool = option(False, "resume with other flags (not network, optimizer, held-out images)")
    limit_steps: int = option(
        0, "end epochs and evaluations after this many batches, for trials (0: no limit)"
    )
    log_freq: int = option(50, "training steps between log lines")
    debug: bool = option(False, "show a traceback when something fails")

    def __post_init__(self) -> None:
        check_model(self.model, self.stem)
        parse_augmentations(self.augment)
        parse_sizes(self.sizes)
        for name, choices in {f.name: f.metadata["choices"] for f in dataclasses.fields(self)}.items():
            if choices and getattr(self, name) not in choices:
                raise unknown_name(name, getattr(self, name), choices)
        check_values(self)

    @property
    def holds_out(self) -> bool:
        """Whether training images are held out: then they, not the test images, give the epochs' curve."""
        return self.val_split > 0 or self.kfold > 0

    def to_json(self) -> str:
        """This config as JSON text, one field a line."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> TrainConfig:
        """Read what :meth:`to_json` wrote; RunError for anything else.

        A field that is missing, as in the config of an older version, takes its default.
        """
        try:
            values = json.loads(text)
        except ValueError as error:
            raise RunError(f"not valid JSON: {error}") from error
        types = typing.get_type_hints(cls)
        if not isinstance(values, dict) or "model" not in values:
            raise RunError("not a config")
        if unknown := set(values) - set(types):
            raise RunError(f"unknown fields: {', '.join(sorted(unknown))}")
        for name, value in values.items():
            # An integer is a fine float, but True is no integer.
            fits = type(value) is types[name] or (types[name] is float and type(value) is int)
            if not fits:
                raise RunError(f"{name} is {value!r}, not of type {types[name].__name__}")
        try:
            return cls(**values)
        except UsageError as error:
            raise RunError(str(error)) from error

    @classmethod
    def read(cls, path: Path) -> TrainConfig:
        """Read a run's config.json."""
        try:
            return cls.from_json(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, RunError) as error:
            reason = getattr(error, "strerror", None) or error
            raise RunError(
                f"{path} is not the config of a run: {reason}; give the folder of a run, outputs/<name>"
            ) from error
