"""Named presets of ``TrainConfig``. Each docstring gives source, command, and what to expect."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from paddle_cifar.config import TrainConfig
from paddle_cifar.errors import unknown_name


def default() -> TrainConfig:
    """ResNet-18 with the CIFAR stem in 20 epochs at a rate of 0.01, half the work of a plain run.

    Muon (Keller Jordan 2024, https://kellerjordan.github.io/posts/muon) moves every
    direction of a kernel by the same amount. With decay 0.8 a kernel settles where
    its norm and the step balance: the initial weights are scaled to be there from the
    start, and a step is then some 13 % of the weights, large enough that the images are not
    learnt by heart. Head and norms take SGD at 0.2. Ten epochs see 16x16 images, four
    24x24 (progressive resizing: Howard 2018, https://dawn.cs.stanford.edu/benchmark).
    76.7 % (mean of two seeds) in 53 minutes on two cores without AMX, in 29 with it.

        python main.py --epochs 20 --lr 0.01
    """
    return TrainConfig(
        recipe="default",
        sizes="16:0.5,24:0.2,32:0.3",
        augment="crop,alternating_flip",
        batch_size=512,
        optimizer="muon",
        lr=0.01,
        weight_decay=0.8,
        init_scale=0.056,
        muon_steps=3,
        head_lr=20.0,
        norm_lr=20.0,
        schedule="hold",
        hold_share=0.2,
        warmup_epochs=0.5,
        log_freq=20,
        curve_images=2000,
    )


def baseline() -> TrainConfig:
    """What most people would train: SGD with Nesterov momentum, one-cycle, label smoothing, crop and flip.

    Peak rate 0.1, decay 5e-4 (not of norms and biases), batch 128; Smith 2018, arXiv:1803.09820.
    The same settings and network in PyTorch reach 74.26 % in 20 epochs. The studies of
    ``python main.py ablate`` start from here.

        python main.py --recipe baseline
    """
    return TrainConfig()


def tricks() -> TrainConfig:
    """The final setting of the series; it reports 83.3 %, and 84.0 % with WRN-40-10 (84.4 % with TTA).

    Crop, flip, rotation by 15 degrees, AutoAugment, random erasing, adaptive SAM with rho 2, Kaiming initial
    weights, 5 epochs of warm-up and a cosine from 0.1, batch 128, label smoothing
    (https://github.com/kingqiuol/pytorch-template). For a GPU: 200 epochs of two passes each.
    Not run in full here.

        python main.py --recipe tricks
        python main.py --recipe tricks --model wrn_40_10
    """
    return TrainConfig(
        recipe="tricks",
        model="resnet50",
        init="kaiming",
        epochs=200,
        augment="crop,flip,rotation:15,autoaugment,erasing:0.5",
        schedule="cosine",
        warmup_epochs=5.0,
        sam_rho=2.0,
        sam_adaptive=True,
        tta="shifts",
    )


def long() -> TrainConfig:
    """200 epochs for a GPU: ResNet-50 with SGD at 0.1, a cosine, AutoAugment, erasing and averaged weights.

    The series reaches 81.5 % with these augmentations and without averaging; not run in full here.

        python main.py --recipe long --resume auto --name long
    """
    return TrainConfig(
        recipe="long",
        model="resnet50",
        epochs=200,
        augment="crop,flip,autoaugment,erasing:0.5",
        schedule="cosine",
        warmup_epochs=5.0,
        ema_decay=0.999,
    )


def speedrun() -> TrainConfig:
    """75.5 % (mean of three seeds) on two cores: airbench's residual network and Muon, on growing images.

    19 minutes without AMX, 11 with it.

    Settings after Keller Jordan's airbench94_muon and airbench96
    (https://github.com/KellerJordan/cifar10-airbench): kernels of constant norm that every step turns by
    up to 0.24, and Lookahead that averages more and more. The head and the norms have rates of their own:
    0.24 and 96, on mean losses.

        python main.py --recipe speedrun
    """
    return TrainConfig(
        recipe="speedrun",
        model="airbench_resnet_64_384_576",
        epochs=11,
        sizes="17:0.3,25:0.5,32:0.2",
        augment="crop:2,alternating_flip",
        batch_size=1000,
        label_smoothing=0.2,
        optimizer="muon",
        lr=0.24,
        momentum=0.6,
        muon_steps=3,
        muon_renormalize=True,
        weight_decay=0.01,
        head_lr=1.0,
        norm_lr=400.0,
        lookahead_steps=5,
        lookahead_share=0.226,
        lookahead_ramp=True,
        schedule="hold",
        hold_share=0.0,
        warmup_epochs=0.5,
        log_freq=20,
        curve_images=2000,
    )


def accurate() -> TrainConfig:
    """78.6 %, 79.5 % with mirrored views, in 36 minutes on two cores with AMX (one seed).

    The speedrun's network, wider, for twenty epochs, ten of them at 32x32. A square is cut out of each image
    (DeVries and Taylor 2017, arXiv:1708.04552), so that it learns them by heart later.

        python main.py --recipe accurate
    """
    return dataclasses.replace(
        speedrun(),
        recipe="accurate",
        model="airbench_resnet_128_512_768",
        epochs=20,
        sizes="17:0.2,25:0.3,32:0.5",
        augment="crop:2,alternating_flip,cutout:12",
        tta="mirror",
    )


def lab() -> TrainConfig:
    """The AI Studio lab: Paddle's ResNet as it comes, Adam at 0.001, batch 256, no augmentation.

    The lab reports 34.69 % after 20 epochs and over ten hours on a laptop's CPU;
    it does not say which ResNet it drew. Here 40.8 % in 63 minutes on two cores that other work shared.

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


RECIPES: dict[str, Callable[[], TrainConfig]] = {
    recipe.__name__: recipe for recipe in (default, baseline, tricks, long, speedrun, accurate, lab, quick)
}


def recipe(name: str) -> TrainConfig:
    """The config of a named recipe; UsageError with the nearest names for an unknown one."""
    if name not in RECIPES:
        raise unknown_name("recipe", name, RECIPES)
    return RECIPES[name]()


def configure(given: dict[str, Any]) -> TrainConfig:
    """The config of a command: its recipe (``default`` if none is given), changed by the fields given."""
    return dataclasses.replace(recipe(given.get("recipe", "default")), **given)
