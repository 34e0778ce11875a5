"""Which run a command goes on with, and what it may change; else the folder of a new one. Needs no Paddle."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import time
from pathlib import Path
from typing import Any

from paddle_cifar.atomic import temporary_of
from paddle_cifar.config import TrainConfig
from paddle_cifar.errors import RunError, UsageError, flag
from paddle_cifar.runs import MACHINE_FIELDS, RunFolder


def resumed_run(config: TrainConfig, given: dict[str, Any]) -> tuple[RunFolder, TrainConfig] | None:
    """The run that ``--resume`` means and the config to go on with; None when a new run is to be started.

    Args:
        config: the settings asked for.
        given: the fields the user set explicitly; only these can contradict the run's own.

    Raises:
        RunError: when there is no such run, or it was started with other settings.
    """
    if given.get("name") and config.resume not in ("", "auto", "newest"):
        raise UsageError(f"--resume {config.resume} names the run already; leave out --name")
    run = _run_to_resume(config)
    if run is None:
        return None
    saved = TrainConfig.read(run.config)
    changed = _changes(saved, given)
    if changed and run.result.exists():
        raise RunError(
            f"{run.path} has finished its {saved.epochs} epochs and is not trained further; "
            "start a new run under another --name"
        )
    _refuse_impossible(run, saved, given)
    if changed and not config.allow_changes:
        raise RunError(
            f"{run.path} was started with other settings ({'; '.join(changed)}); "
            "leave them out to resume, or add --allow-changes"
        )
    return run, dataclasses.replace(saved, **given)


def open_run(config: TrainConfig, given: dict[str, Any]) -> tuple[RunFolder, TrainConfig, bool]:
    """The folder to train in, the config to train with, and whether an earlier run is resumed.

    Raises RunError also when the folder cannot be written or holds another run.
    """
    try:
        resumed = resumed_run(config, given)
        if resumed is None:
            if config.resume == "auto":
                print("nothing to resume: starting a new run")
            return _new_run(config), config, False
        return *resumed, True
    except OSError as error:
        where = error.filename or config.output
        raise RunError(f"cannot write to {where} ({error.strerror}); choose another --output") from error


def _changes(saved: TrainConfig, given: dict[str, Any]) -> list[str]:
    return [
        f"{flag(name)} was {getattr(saved, name)}, now {value}"
        for name, value in given.items()
        if name not in MACHINE_FIELDS and value != getattr(saved, name)
    ]


def _refuse_impossible(run: RunFolder, saved: TrainConfig, given: dict[str, Any]) -> None:
    """RunError for what no flag allows to change within a run."""
    others = "other images would be held out, some of them trained on"
    reasons = {"val_split": others, "kfold": others, "fold": others}
    if saved.holds_out:
        reasons["seed"] = others
    reasons["optimizer"] = "it would find another optimizer's state"
    for name, reason in reasons.items():
        was, now = getattr(saved, name), given.get(name, getattr(saved, name))
        if was != now:
            began = f"{run.path} began with {flag(name)} {was}, not {now}"
            raise RunError(f"{began}: {reason}; start a new run under another --name")


def _run_to_resume(config: TrainConfig) -> RunFolder | None:
    if not config.resume:
        return None
    if config.resume not in ("auto", "newest"):
        return RunFolder(Path(config.resume))
    output = Path(config.output)
    if config.name:
        run = RunFolder(output / config.name)
        # One asked for by name may be finished already: then there is nothing left to do.
        if run.saved() or run.result.exists():
            return run
        if config.resume == "newest":
            raise RunError(
                f"nothing to resume in {run.path}; start it without --resume, or with --resume auto"
            )
        return None
    if config.resume == "newest" and not output.is_dir():
        raise RunError(f"nothing to resume: there is no folder {output}")
    folders = [path for path in output.glob("*") if path.is_dir()]
    folders.sort(key=lambda path: path.stat().st_mtime)
    unfinished = [run for run in map(RunFolder, folders) if run.unfinished()]
    if config.resume == "newest" and not unfinished:
        raise RunError(f"no unfinished run in {output}; start one without --resume, or with --resume auto")
    return unfinished[-1] if unfinished else None


def _new_run(config: TrainConfig) -> RunFolder:
    run = RunFolder(Path(config.output) / config.name if config.name else _unused_folder(config))
    if run.path.is_dir():
        # What a run leaves that was stopped before its first checkpoint is no reason to refuse.
        leftovers = {"config.json", temporary_of(run.config).name, "checkpoints", "vdl", ".lock"}
        if run.saved() or run.result.exists() or {path.name for path in run.path.iterdir()} - leftovers:
            raise RunError(
                f"{run.path} already holds a run; add --resume {run.path} to go on, or choose another --name"
            )
    run.checkpoints.mkdir(parents=True, exist_ok=True)
    return run


def _unused_folder(config: TrainConfig) -> Path:
    """Make a folder called after network, recipe and time; with a number where one was made this second."""
    data = "-synthetic" if config.dataset == "synthetic" else ""
    name = f"{config.model}-{config.recipe}{data}-{time.strftime('%Y%m%d-%H%M%S')}"
    output = Path(config.output)
    output.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        folder = output / (name if number == 1 else f"{name}-{number}")
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
            break
    return folder


def check_position(config: TrainConfig, progress: dict[str, Any], sha256: str) -> None:
    """Refuse to go on from ``progress`` on other data, or with fewer epochs than are done.

    On other data the held-out images would be others, some of them trained on.
    """
    began_on = progress.get("data_sha256", sha256)
    if began_on != sha256:
        raise RunError(
            f"the run began on data with SHA-256 {began_on[:12]}..., these have {sha256[:12]}...; "
            "give the same file with --data-file"
        )
    begun = progress.get("epochs", 0) + (progress.get("step", 0) > 0)
    if config.epochs < begun:
        raise RunError(f"--epochs {config.epochs}: the run is in epoch {begun} already; choose at least that")


def in_steps_of(progress: dict[str, Any], steps: int) -> dict[str, Any]:
    """``progress`` in epochs of ``steps`` batches: as far into its epoch where they were other batches.

    What had been counted in that epoch is dropped then: it was counted in the other batches.
    """
    saved = progress.get("steps", max(steps, progress.get("step", 0)))
    if saved == steps:
        return progress
    return {**progress, "step": progress["step"] * steps // saved, "metrics": None}
