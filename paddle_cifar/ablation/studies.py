"""The studies: lists of configurations that differ in one thing, with the figures the series published.

The series (https://github.com/kingqiuol/pytorch-template) trained for 200 epochs with rate 0.1, five
epochs of warm-up, a cosine, batch 128 and weight decay 5e-4, and gives accuracies on the test images,
ResNet-50 unless said otherwise. Its ``params`` are MB of float32.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Row(NamedTuple):
    """A configuration: its label, the config fields it sets, and what the series published for it.

    Published scores are fractions under the names of the table's columns. A row without
    ``changes`` (None) is not trained: it stands in the table for what was published.
    """

    label: str
    changes: dict[str, Any] | None
    published: dict[str, float] = {}  # noqa: RUF012  never changed


class Study(NamedTuple):
    """What is asked, settings shared by all rows (flags replace them), and the rows."""

    question: str
    base: dict[str, Any]
    rows: tuple[Row, ...]


SERIES_AUGMENT = "crop,flip,rotation,autoaugment,erasing"
# One rate and decay for each optimizer, as its paper or its users have them, not tuned here.
ADAM = {"optimizer": "adam", "lr": 1e-3, "weight_decay": 0.0}
ADAMW = {"optimizer": "adamw", "lr": 1e-3, "weight_decay": 0.05}
RANGER = {"optimizer": "ranger", "lr": 1e-3, "weight_decay": 0.0}
MUON = {
    **{"optimizer": "muon", "lr": 0.24, "momentum": 0.6, "weight_decay": 5e-4},
    **{"muon_steps": 3, "muon_renormalize": True},
}


def _augment(*names: str) -> dict[str, Any]:
    return {"augment": ",".join(names) or "none"}


def _published(megabytes: float, top1: float, top5: float, accuracy: float, mAP: float) -> dict[str, float]:
    return {"megabytes": megabytes, "top1_error": top1, "top5_error": top5, "accuracy": accuracy, "mAP": mAP}


STUDIES: dict[str, Study] = {
    "augment": Study(
        "What does each augmentation do?",
        {},
        (
            Row("none", _augment()),
            Row("crop, flip", _augment("crop", "flip")),
            Row("crop, alternating flip", _augment("crop", "alternating_flip")),
            Row("crop, flip, rotation", _augment("crop", "flip", "rotation"), {"accuracy": 0.78}),
            Row(
                "crop, flip, rotation, erasing",
                _augment("crop", "flip", "rotation", "erasing"),
                {"accuracy": 0.79},
            ),
            Row(
                "crop, flip, rotation, AutoAugment, erasing", {"augment": SERIES_AUGMENT}, {"accuracy": 0.81}
            ),
            Row("crop, flip, jitter", _augment("crop", "flip", "jitter")),
            Row("crop, flip, cutout", _augment("crop", "flip", "cutout")),
            Row("crop, flip, GridMask", _augment("crop", "flip", "gridmask")),
            Row("crop, flip, RandAugment", _augment("crop", "flip", "randaugment")),
            Row("crop, flip, TrivialAugment", _augment("crop", "flip", "trivialaugment")),
            Row("crop, flip, AugMix", _augment("crop", "flip", "augmix")),
            Row("crop, flip, MixUp", _augment("crop", "flip", "mixup")),
            Row("crop, flip, CutMix", _augment("crop", "flip", "cutmix")),
        ),
    ),
    "optimizer": Study(
        "Which optimizer, with the series' augmentations?",
        {"augment": SERIES_AUGMENT, "label_smoothing": 0.0},
        (
            Row("SGD", {"optimizer": "sgd"}, {"accuracy": 0.79}),
            Row("Adam", ADAM, {"accuracy": 0.79}),
            Row("AdamW", ADAMW),
            Row("Ranger", RANGER, {"accuracy": 0.65}),
            Row("SAM", {"optimizer": "sgd", "sam_rho": 0.05}),
            Row(
                "adaptive SAM",
                {"optimizer": "sgd", "sam_rho": 2.0, "sam_adaptive": True},
                {"accuracy": 0.8311},
            ),
            Row("SGD, Lookahead", {"optimizer": "sgd", "lookahead_steps": 5}),
            Row("SGD, averaged weights", {"optimizer": "sgd", "ema_decay": 0.995}),
            Row("Muon", MUON),
        ),
    ),
    "schedule": Study(
        "Which course of the rate, at one peak rate?",
        {},
        (
            Row("constant", {"schedule": "constant", "warmup_epochs": 0.0}),
            Row("step", {"schedule": "step", "warmup_epochs": 0.0}),
            Row("cosine", {"schedule": "cosine", "warmup_epochs": 0.0}),
            Row("warm-up, cosine", {"schedule": "cosine", "warmup_epochs": 0.5}),
            Row("polynomial", {"schedule": "polynomial", "warmup_epochs": 0.0}),
            Row("one-cycle", {"schedule": "onecycle", "warmup_epochs": 0.0}),
            Row("hold, then linear", {"schedule": "hold", "hold_share": 0.3, "warmup_epochs": 0.0}),
            Row("warm-up, linear", {"schedule": "hold", "hold_share": 0.0, "warmup_epochs": 0.5}),
        ),
    ),
    "backbone": Study(
        # The series' ResNeXts are smaller than Paddle's. Its code builds WRN-40-10 (213 MB) under the name
        # wideresnet; the 130 MB of its table are nearest to WRN-28-10 (139 MB).
        "Which network?",
        {},
        (
            Row("ResNet-18", {"model": "resnet18"}, _published(42.8, 0.24, 0.0716, 0.75, 0.78)),
            Row("ResNet-50", {"model": "resnet50"}, _published(90.7, 0.21, 0.0555, 0.78, 0.84)),
            Row("ResNet-101", {"model": "resnet101"}, _published(163, 0.21, 0.0552, 0.79, 0.84)),
            Row("ResNeXt-50", {"model": "resnext50_32x4d"}, _published(50, 0.22, 0.06, 0.77, 0.83)),
            Row("ResNeXt-101", {"model": "resnext101_32x4d"}, _published(68, 0.22, 0.059, 0.78, 0.84)),
            Row("WideResNet", {"model": "wrn_28_10"}, _published(130, 0.21, 0.05, 0.80, 0.84)),
            Row("WRN-16-4", {"model": "wrn_16_4"}),
            Row("pre-activation ResNet-18", {"model": "preact_resnet18"}),
            Row("SE-ResNet-18", {"model": "se_resnet18"}),
        ),
    ),
    "tricks": Study(
        "What does the series gain trick by trick?",
        {"tta": "shifts"},
        (
            Row(
                "crop, flip, rotation",
                {**_augment("crop", "flip", "rotation"), "label_smoothing": 0.0},
                {"accuracy": 0.78},
            ),
            Row(
                "+ random erasing",
                {**_augment("crop", "flip", "rotation", "erasing"), "label_smoothing": 0.0},
                {"accuracy": 0.79},
            ),
            Row("+ AutoAugment", {"augment": SERIES_AUGMENT, "label_smoothing": 0.0}, {"accuracy": 0.815}),
            Row(
                "+ adaptive SAM",
                {"augment": SERIES_AUGMENT, "label_smoothing": 0.0, "sam_rho": 2.0, "sam_adaptive": True},
                {"accuracy": 0.8311},
            ),
            Row(
                "+ label smoothing",
                {"augment": SERIES_AUGMENT, "label_smoothing": 0.1, "sam_rho": 2.0, "sam_adaptive": True},
                {"accuracy": 0.833},
            ),
            # To train it too: --model wrn_40_10 --only "+ label smoothing".
            Row("all of these, WRN-40-10", None, {"accuracy": 0.840, "accuracy_tta": 0.8437}),
        ),
    ),
}
