"""Kill training runs at random moments, resume them, and compare with a run that nobody disturbed.

    python benchmarks/crash_safety.py --kills 200

Every run trains a small network on the stand-in with a checkpoint every third step. It is killed
(SIGKILL) again and again, started each time by the same command, until it has finished: a tenth of
the kills come while the process starts, half as soon as it is seen to write a file, the others at any
moment. It must end with the bits of the undisturbed run: weights, optimizer state, history, curves and
accuracy. As a negative control one run is resumed with its position in the data forgotten; it must differ.

What is done stands in --folder, so the same command goes on where it was stopped (--kills counts
all of them). About four seconds a kill on one core of an AMD EPYC.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from paddle_cifar.environment import import_paddle  # noqa: E402

import_paddle()

import numpy as np  # noqa: E402

from paddle_cifar import checkpoint  # noqa: E402
from paddle_cifar.atomic import write_json  # noqa: E402
from paddle_cifar.errors import RunError  # noqa: E402
from paddle_cifar.runs import RunFolder  # noqa: E402

FLAGS = (
    "--recipe baseline --dataset synthetic --synthetic-size 500 --model wrn_10_1 --epochs 20 --batch-size 8 "
    "--limit-steps 10 --lr 0.05 --weight-decay 0.005 --log-freq 1 --save-steps 3 --engine paddle "
    "--resume auto"
).split()
KILLS_PER_RUN = 20  # aimed at; it follows from how long a process may train
TIMINGS = {"seconds", "images_per_second"}


def start(folder: Path, name: str) -> subprocess.Popen:
    """Start the run or go on with it: the same command every time."""
    with open(folder / f"{name}.log", "w", encoding="utf-8") as log:
        command = [sys.executable, str(ROOT / "main.py"), *FLAGS, "--output", str(folder), "--name", name]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)


def ended(process: subprocess.Popen, folder: Path, name: str) -> bool:
    """Whether the process has come to its end, not to a kill; any failure of its own is raised."""
    if process.wait() > 0:
        raise RuntimeError(f"{name} failed: {(folder / f'{name}.log').read_text()}")
    return process.returncode == 0


def half_written(run: RunFolder) -> bool:
    """Whether a file is being written, or was at the last kill; who trains removes a checkpoint's."""
    return any(run.path.rglob(".*.tmp"))


def wait_until(process: subprocess.Popen, happened: Callable[[], bool], seconds: float = 60) -> bool:
    """Whether it happened before the process ended."""
    deadline = time.monotonic() + seconds
    while not happened():
        if process.poll() is not None or time.monotonic() > deadline:
            return False
        time.sleep(0.0005)
    return True


def kill_once(folder: Path, name: str, times: dict[str, float], chance: random.Random) -> str:
    """Start the run once and kill it; returns "start", "save" or "any", or "" when it ended by itself.

    A later kill counts as "save" when it left a half-written file behind, whatever it was aimed at.
    """
    run, aim = RunFolder(folder / name), chance.random()
    before, process = set(run.saved()), start(folder, name)
    if aim < 0.1:
        time.sleep(chance.uniform(0, times["start"]))
    elif wait_until(process, lambda: bool(set(run.saved()) - before)):
        time.sleep(chance.uniform(0, 2 * times["training"] / KILLS_PER_RUN))
        if aim < 0.6 and wait_until(process, lambda: half_written(run), seconds=2):
            time.sleep(chance.uniform(0, 0.002))
    process.kill()
    if ended(process, folder, name):
        return ""
    return "start" if aim < 0.1 else "save" if half_written(run) else "any"


def unusable(run: RunFolder) -> int:
    """How many files of the run are neither old nor new."""
    bad = 0
    for path in filter(Path.exists, (*run.saved(), run.config, run.result)):
        try:
            json.loads(path.read_text()) if path.suffix == ".json" else checkpoint.load(path)
        except (RunError, ValueError) as damage:
            print(damage)
            bad += 1
    return bad


def killed_run(folder: Path, name: str, times: dict[str, float]) -> dict[str, int]:
    """Kill a run again and again until it finishes; returns the counts."""
    counts, chance = {"start": 0, "save": 0, "any": 0, "unusable": 0}, random.Random(name)
    shutil.rmtree(folder / name, ignore_errors=True)  # of an earlier call that was stopped
    while kind := kill_once(folder, name, times, chance):
        counts[kind] += 1
        counts["unusable"] += unusable(RunFolder(folder / name))
    return counts


def outcome(path: Path) -> tuple[dict[str, np.ndarray], list[Any]]:
    """What two equal runs agree in: tensors, and rows without timings, accuracy and VisualDL's points."""
    from visualdl import LogReader

    run = RunFolder(path)
    state = checkpoint.load_newest(run.saved())
    rows = [{key: row[key] for key in row if key not in TIMINGS} for row in state.progress["rows"]]
    curves = LogReader(file_path=str(run.vdl / "vdlrecords.run.log"))
    tags = [tag for tag in curves.get_tags()["scalar"] if not tag.startswith("speed/")]
    points = {tag: [(point.id, point.value) for point in curves.get_data("scalar", tag)] for tag in tags}
    return state.tensors, [rows, json.loads(run.result.read_text())["acc_top1"], points]


def same(one: Path, other: Path) -> tuple[bool, bool]:
    """Whether two finished runs are equal bit for bit: their tensors, and all their figures."""
    (tensors, figures), (others, other_figures) = outcome(one), outcome(other)
    equal = tensors.keys() == others.keys() and all(np.array_equal(tensors[n], others[n]) for n in tensors)
    return equal, figures == other_figures


def undisturbed(folder: Path) -> dict[str, float]:
    """Train the run to compare with; returns its seconds: until its first checkpoint, and from then on."""
    shutil.rmtree(folder / "whole", ignore_errors=True)
    began = time.monotonic()
    process = start(folder, "whole")
    wait_until(process, lambda: bool(RunFolder(folder / "whole").saved()))
    started = time.monotonic()
    ended(process, folder, "whole")
    return {"start": started - began, "training": time.monotonic() - started}


def forgets_its_position(folder: Path) -> bool:
    """The negative control: set a checkpoint back to its epoch's start; True when the end differs."""
    run = RunFolder(folder / "control")
    shutil.rmtree(run.path, ignore_errors=True)
    process = start(folder, "control")
    within_an_epoch = run.checkpoints / "00000015.safetensors"
    assert wait_until(process, within_an_epoch.exists) and not run.result.exists()
    process.kill()
    process.wait()
    for path in run.saved():
        state = checkpoint.load(path)
        forgetful = {**state.progress, "step": 0, "metrics": None}
        checkpoint.save(checkpoint.Checkpoint(state.tensors, forgetful), path)
        if state.progress["step"]:  # of the newest two checkpoints one at least is within an epoch
            break
        path.unlink()
    ended(start(folder, "control"), folder, "control")
    return not same(run.path, folder / "whole")[0]


def print_figures(control: bool, runs: list[dict[str, int]]) -> bool:
    """Sum up; returns whether all figures are as they should be."""
    start, save, other, unusable, equal = (sum(run[key] for run in runs) for key in runs[0])
    print(f"{start + save + other} kills in {len(runs)} runs: {start} while the process started,")
    print(f"{save} while it wrote a file, {other} at other moments; unusable states: {unusable}")
    print(f"runs that ended with the bits of the undisturbed one: {equal} of {len(runs)}")
    print(f"negative control (position in the data forgotten) differs: {control}", flush=True)
    return equal == len(runs) and not unusable and control


def main() -> None:
    """Go on until there are enough kills; leaves with 1 unless all figures are as they should be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200, help="in all, those of earlier calls included")
    default = Path("outputs/crash-safety")
    parser.add_argument("--folder", type=Path, default=default, help="keeps runs and figures")
    kills, folder = vars(parser.parse_args()).values()
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / "figures.json"
    if not record.exists():
        times = undisturbed(folder)
        write_json(record, {"times": times, "control": forgets_its_position(folder), "runs": []})
    done = json.loads(record.read_text())
    runs = done["runs"]
    while sum(run["start"] + run["save"] + run["any"] for run in runs) < kills:
        name = f"run{len(runs)}"
        counts = killed_run(folder, name, done["times"])
        runs.append({**counts, "equal": all(same(folder / name, folder / "whole"))})
        print(name, runs[-1], flush=True)
        write_json(record, done)
        shutil.rmtree(folder / name)
    sys.exit(0 if print_figures(done["control"], runs) else 1)


if __name__ == "__main__":
    main()
