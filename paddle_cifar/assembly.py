"""What a run is made of, from its config: batches, network, and ``paddle.Model`` with its optimizer."""

from __future__ import annotations

import functools

import paddle

from paddle_cifar import distributed
from paddle_cifar.config import TrainConfig
from paddle_cifar.data.augment import build_augmentations, build_mixing
from paddle_cifar.data.cifar100 import Cifar100
from paddle_cifar.data.loader import BatchLoader, normalise
from paddle_cifar.data.sizes import epoch_sides
from paddle_cifar.data.split import held_out_images
from paddle_cifar.errors import RunError
from paddle_cifar.metrics import build_metrics
from paddle_cifar.models import build_network
from paddle_cifar.models.initial import initialise
from paddle_cifar.optim import SharpnessAware, build_loss, build_optimizer, build_schedule
from paddle_cifar.optim.shared import SharedGradients
from paddle_cifar.precision import amp_configs, product_of

# How many training images airbench's networks see before the first step; more change nothing.
WHITENING_IMAGES = 2000


def build_loaders(
    config: TrainConfig, train_set: Cifar100, test_set: Cifar100
) -> tuple[BatchLoader, BatchLoader, BatchLoader]:
    """Training batches, those evaluated after each epoch, and the test batches.

    After each epoch the images held out are evaluated, or, when there are none, the test images or
    ``curve_images`` of them: then that curve is only shown, nothing is chosen by it. They are as
    small as the training images of that epoch, because a network that has only seen small
    images says little about large ones; the test batches are full-sized.
    """
    images, labels = train_set.images, train_set.fine_labels
    every = max(1, len(test_set) // config.curve_images) if config.curve_images else 1
    curve_images, curve_labels = test_set.images[::every], test_set.fine_labels[::every]
    if config.holds_out:
        kept, held_out = held_out_images(labels, config.val_split, config.kfold, config.fold, config.seed)
        curve_images, curve_labels = images[held_out], labels[held_out]
        images, labels = images[kept], labels[kept]
    sides = epoch_sides(config.sizes, config.epochs)
    loader = functools.partial(
        BatchLoader,
        batch_size=config.batch_size,
        limit_steps=config.limit_steps,
        part=(distributed.RANK, distributed.RANKS),
    )
    train_loader = loader(
        images,
        labels,
        augmentations=build_augmentations(config.augment),
        mixing=build_mixing(config.augment),
        sides=sides,
        shuffle=True,
        drop_last=config.drop_last,
        seed=config.seed,
    )
    eval_loader = loader(curve_images, curve_labels, sides=sides)
    test_loader = loader(test_set.images, test_set.fine_labels)
    return train_loader, eval_loader, test_loader


def initial_network(config: TrainConfig, train_loader: BatchLoader) -> paddle.nn.Layer:
    """The network with the weights a run begins with; they follow from the seed."""
    paddle.seed(config.seed)
    network = build_network(config.model, config.stem)
    initialise(network, config.init, config.init_scale)
    if hasattr(network, "whiten"):
        network.whiten(normalise(train_loader.images[:WHITENING_IMAGES]))
    return network


def build_model(
    config: TrainConfig,
    network: paddle.nn.Layer,
    precision: str,
    steps_per_epoch: int,
    lr_scheduler: paddle.optimizer.lr.LRScheduler | None = None,
) -> paddle.Model:
    """``paddle.Model`` of the network, prepared with optimizer, loss and metrics.

    ``lr_scheduler`` takes the place of the config's rate and schedule.

    Raises:
        UsageError: for names that nothing is built from.
    """
    total_steps = config.epochs * steps_per_epoch
    lr_scheduler = lr_scheduler or build_schedule(
        config.schedule,
        config.lr,
        total_steps=total_steps,
        warmup_steps=round(config.warmup_epochs * steps_per_epoch),
        power=config.schedule_power,
        hold_share=config.hold_share,
    )
    optimizer = build_optimizer(
        config.optimizer,
        network,
        lr_scheduler,
        config.weight_decay,
        config.momentum,
        config.grad_clip,
        config.head_lr,
        config.norm_lr,
        config.lookahead_steps,
        config.lookahead_share,
        total_steps if config.lookahead_ramp else 0,
        config.muon_steps,
        config.muon_renormalize,
        product_of(precision),
    )
    if precision != "fp16":
        SharedGradients(optimizer, network)
    loss = build_loss(config.loss, config.label_smoothing, config.focal_gamma)
    if config.sam_rho:
        if precision == "fp16":  # chosen by itself, for a GPU without bf16
            raise RunError("--sam-rho cannot scale the loss as fp16 needs it; add --precision float32")
        SharpnessAware(optimizer, network, loss, config.sam_rho, config.sam_adaptive)
    model = paddle.Model(
        network,
        paddle.static.InputSpec([None, 3, 32, 32], "float32", "image"),
        paddle.static.InputSpec([None], "int64", "label"),
    )
    model.prepare(
        optimizer,
        loss,
        build_metrics(),
        amp_configs=amp_configs(precision),
    )
    # paddle.Model makes its loss scaler at the first step; made here, a resumed run can restore it.
    model._scaler = paddle.amp.GradScaler() if precision == "fp16" else None
    if precision == "fp16":  # before the scaler looks for overflows, so that all processes see the same
        SharedGradients(model._scaler, network)
    return model
