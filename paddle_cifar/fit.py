"""The part of a run that may be interrupted: ``paddle.Model.fit``, with callbacks that make it resumable."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import paddle

from paddle_cifar import distributed
from paddle_cifar.callbacks import (
    Checkpoints,
    FreezeFirstStage,
    History,
    ProgressLog,
    SkipNonFiniteLoss,
    StopOnNonFiniteLoss,
    Throughput,
    VisualDLLog,
    WeightAverage,
    shared_figures,
)
from paddle_cifar.config import TrainConfig
from paddle_cifar.data.loader import BatchLoader
from paddle_cifar.engine.fastest import choices, follow
from paddle_cifar.errors import RunError
from paddle_cifar.interrupts import StopSignals
from paddle_cifar.precision import scaler_state
from paddle_cifar.runs import RunFolder

HPARAMS = (
    *("dataset", "model", "stem", "recipe", "epochs", "batch_size", "lr", "optimizer", "schedule"),
    *("weight_decay", "label_smoothing", "augment", "sizes", "ema_decay", "seed"),
)


def run_clock(started: float, progress: dict[str, Any]) -> Callable[[], float]:
    """A clock of the run's wall time in seconds, that of earlier processes included."""
    earlier = progress.get("seconds", 0.0)
    return lambda: earlier + time.perf_counter() - started


def fit(
    config: TrainConfig,
    run: RunFolder,
    model: paddle.Model,
    train_loader: BatchLoader,
    eval_loader: BatchLoader,
    progress: dict[str, Any],
    clock: Callable[[], float],
    constants: dict[str, Any],
    average: WeightAverage | None = None,
    frozen: Sequence[paddle.nn.Layer] = (),
) -> tuple[History, Throughput]:
    """Train what is left of the run, from ``progress`` on (empty: from the beginning).

    ``clock`` gives the run's seconds; ``constants`` are stored with every checkpoint;
    ``average``, if any, is evaluated in place of the weights; ``frozen`` are the layers that
    are not trained in the last ``freeze_epochs``.

    Raises:
        Interrupted: after Ctrl-C or SIGTERM, with everything saved.
        RunError: for a loss that is not finite, a full disk, too little memory.
    """
    throughput = Throughput(progress.get("step_images", 0), progress.get("step_seconds", 0.0))
    split = "val" if config.holds_out else "test"
    history = History(run.history, train_loader, eval_loader, throughput, split, config.seed, progress)
    hparams = {name: getattr(config, name) for name in HPARAMS}
    sample = train_loader.sample(64)
    vdl = VisualDLLog(run.vdl, history, config.log_freq, hparams, sample, progress.get("vdl_bytes", 0))

    def extra() -> dict[str, Any]:
        return {
            **constants,
            "scaler": scaler_state(model),
            "engine_choices": choices(),
            "ema_steps": average.steps if average is not None else 0,
            "seconds": clock(),
            "step_images": throughput.images,
            "step_seconds": throughput.seconds,
            "vdl_bytes": vdl.bytes_written() if distributed.is_writer() else 0,
        }

    if progress:
        follow(progress.get("engine_choices", {}))
    guard = SkipNonFiniteLoss if config.on_nan == "skip" else StopOnNonFiniteLoss
    freeze = FreezeFirstStage(frozen, history, config.epochs - config.freeze_epochs)
    averages = [average] if average is not None else []
    curves = [vdl] if distributed.is_writer() else []
    with StopSignals(shared=distributed.several()) as stop:
        callbacks = [
            *shared_figures(stop),  # the others act on the figures of all processes
            throughput,
            guard(history),  # before history takes anything over
            history,
            freeze,
            *averages,  # before those that look at the weights after an evaluation
            ProgressLog(history, config.epochs, config.log_freq),
            *curves,
            # Paddle would put it last; a checkpoint must see the rate of the next step.
            paddle.callbacks.LRScheduler(by_step=True),
            Checkpoints(
                *(run, history, stop, extra),
                *(config.save_steps, config.keep, config.patience, config.val_split > 0, average),
            ),
        ]
        epochs_left = 0 if progress.get("finished") else config.epochs - history.epoch
        if epochs_left:
            try:
                model.fit(train_loader, eval_loader, epochs=epochs_left, verbose=0, callbacks=callbacks)
            except (MemoryError, RuntimeError, OSError) as error:  # OSError: CUDA's libraries
                said = str(error).lower()
                if isinstance(error, MemoryError) or "out of memory" in said or "alloc_failed" in said:
                    advice = f"start again with a --batch-size below {config.batch_size}"
                    raise RunError(f"out of memory; {advice}") from error
                raise
            finally:
                vdl.close()
    return history, throughput
