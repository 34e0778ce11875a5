"""One process against two with the same global batch: the accuracy of each, and that all ranks end alike.

    python benchmarks/two_processes.py             # about 4 minutes on two cores
    python benchmarks/two_processes.py --engine paddle --seeds 1

On a CPU each process normalises by its own half of the batch, so the two are not the same computation.
Trains wrn_10_1 on the stand-in. The run itself compares the weights of its processes after each epoch and
says so when they differ.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import mean

ROOT = Path(__file__).resolve().parent.parent
TRAIN = "--recipe quick --dataset synthetic --model wrn_10_1 --epochs 10 --batch-size 128".split()
LAUNCH = "-m paddle.distributed.launch --nproc_per_node 2".split()


def accuracy(processes: int, seed: int, engine: str) -> float:
    """Top-1 of the 1,000 test images after a run, in percent."""
    with tempfile.TemporaryDirectory() as folder:
        launcher = LAUNCH if processes == 2 else []
        flags = [*TRAIN, "--seed", str(seed), "--engine", engine, "--output", folder, "--name", "run"]
        done = subprocess.run(
            [sys.executable, *launcher, str(ROOT / "main.py"), *flags],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if done.returncode or "no longer the same" in done.stdout:
            sys.exit(f"the run with {processes} processes failed:\n{done.stdout[-2000:]}")
        result = json.loads((Path(folder) / "run" / "result.json").read_text())
    assert result["processes"] == processes
    return 100 * result["acc_top1"]


def main() -> None:
    """Print a row for each seed, and the means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--engine", default="auto", metavar="auto|onednn|paddle")
    arguments = parser.parse_args()
    print("| seed | one process | two processes |\n| ---: | ---: | ---: |")
    rows = []
    for seed in range(arguments.seeds):
        rows.append([accuracy(processes, seed, arguments.engine) for processes in (1, 2)])
        print(f"| {seed} | {rows[-1][0]:.1f} % | {rows[-1][1]:.1f} % |", flush=True)
    one, two = (mean(column) for column in zip(*rows, strict=True))
    print(f"| mean | {one:.2f} % | {two:.2f} % |\n\ndifference {one - two:+.2f} points")


if __name__ == "__main__":
    main()
