"""Kill training runs at random moments, resume them, and compare with a run that nobody disturbed.

    python benchmarks/crash_safety.py --kills 200

Each run trains a small network on the stand-in with a checkpoint every other
step and is killed (SIGKILL) again and again until it has finished. It must end
with the same weights, optimizer state and history, bit for bit. As a negative
control one run is resumed with its position in the data forgotten; it must differ.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from paddle_cifar.environment import import_paddle  # noqa: E402

import_paddle()

import numpy as np  # noqa: E402

from paddle_cifar import checkpoint  # noqa: E402
from paddle_cifar.errors import RunError  # noqa: E402
from paddle_cifar.runs import RunFolder  # noqa: E402

FLAGS = (
    "--recipe baseline --dataset synthetic --synthetic-size 500 --model wrn_10_1 --epochs 3 --batch-size 32 "
    "--limit-steps 6 --lr 0.05 --weight-decay 0.005 --log-freq 1 --save-steps 2 --resume auto"
).split()
TIMINGS = {"seconds", "images_per_second"}


def start(output: Path, name: str, engine: str) -> subprocess.Popen:
    """Start the run or go on with it: the same command every time."""
    command = [sys.executable, str(ROOT / "main.py"), *FLAGS, "--engine", engine]
    return subprocess.Popen(
        [*command, "--output", str(output), "--name", name], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def finish(output: Path, name: str, engine: str) -> float:
    """Let a run end by itself; returns its seconds."""
    began = time.monotonic()
    process = start(output, name, engine)
    _, error = process.communicate()
    assert process.returncode == 0, error.decode()
    return time.monotonic() - began


def outcome(run: Path) -> tuple[dict[str, np.ndarray], list[dict[str, float]], float]:
    """What two equal runs agree in: tensors, rows without timings, test accuracy."""
    state = checkpoint.load_newest(RunFolder(run).saved())
    rows = [
        {key: value for key, value in row.items() if key not in TIMINGS} for row in state.progress["rows"]
    ]
    return state.tensors, rows, json.loads((run / "result.json").read_text())["acc_top1"]


def same(one: Path, other: Path) -> bool:
    """Whether two finished runs are equal bit for bit."""
    (tensors, *figures), (other_tensors, *other_figures) = outcome(one), outcome(other)
    return (
        tensors.keys() == other_tensors.keys()
        and all(np.array_equal(tensors[name], other_tensors[name]) for name in tensors)
        and figures == other_figures
    )


def killed_run(output: Path, name: str, engine: str, whole_seconds: float, wanted: int) -> tuple[int, int]:
    """Kill a run at random moments until it finishes; returns (kills, states that could not be used)."""
    kills = unusable = 0
    while not (output / name / "result.json").exists():
        process = start(output, name, engine)
        try:
            # Importing Paddle is the dull part; most kills should hit training and saving.
            process.wait(random.uniform(0.35, 1.1) * whole_seconds if kills < wanted else None)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            kills += 1
        error = process.stderr.read().decode()
        process.wait()
        if process.returncode not in (0, -signal.SIGKILL):
            print(error)
            unusable += 1
            break
        for path in RunFolder(output / name).saved():
            try:
                checkpoint.load(path)
            except RunError as damage:
                print(damage)
                unusable += 1
    return kills, unusable


def forgets_its_position(output: Path, whole: Path, engine: str) -> bool:
    """The negative control: set a checkpoint back to its epoch's start; True when the end differs."""
    process = start(output, "control", engine)
    folder = output / "control" / "checkpoints"
    while not (folder / "00000008.safetensors").exists():
        time.sleep(0.002)
        assert process.poll() is None, "the control run ended before it could be killed"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    path = RunFolder(output / "control").saved()[0]
    state = checkpoint.load(path)
    assert state.progress["step"], "the control was killed between two epochs; run it again"
    forgetful = {**state.progress, "step": 0, "metrics": None}
    checkpoint.save(checkpoint.Checkpoint(state.tensors, forgetful), path)
    finish(output, "control", engine)
    return not same(output / "control", whole)


def main() -> None:
    """Print the figures; leaves with 1 unless all of them are as they should be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--engine", default="paddle", choices=("paddle", "onednn"))
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    random.seed(arguments.seed)
    output = Path(tempfile.mkdtemp(prefix="crash-safety-"))
    try:
        seconds = finish(output, "whole", arguments.engine)
        whole, kills, unusable, runs, equal = output / "whole", 0, 0, 0, 0
        while kills < arguments.kills:
            name = f"run{runs}"
            killed, bad = killed_run(output, name, arguments.engine, seconds, arguments.kills - kills)
            kills, unusable, runs = kills + killed, unusable + bad, runs + 1
            equal += same(output / name, whole)
            print(f"{kills} kills, {runs} runs, {equal} equal, {unusable} unusable states", flush=True)
            shutil.rmtree(output / name)
        control = forgets_its_position(output, whole, arguments.engine)
        print(f"negative control (position in the data forgotten) differs: {control}")
        sys.exit(0 if equal == runs and not unusable and control else 1)
    finally:
        shutil.rmtree(output, ignore_errors=True)


if __name__ == "__main__":
    main()
