"""Two nodes on one machine: network namespaces with an address each, joined by a virtual cable.

    sudo python benchmarks/two_nodes.py

Trains wrn_10_1 on the stand-in over both (one process each, folders of their own), then
once more while the second process is killed and the cable is pulled, resuming after each.
Prints how long the first process outlives the second one, and whether the interrupted run
ends with the bits of the other. On Paddle's kernels: the engine chooses its own by the clock,
so that no two runs have the same bits. Needs root, and ip.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

ROOT = Path(__file__).resolve().parent.parent
NODES = {"cifar-a": "10.77.0.1", "cifar-b": "10.77.0.2"}  # namespace: address; the first one is the master
TRAIN = (
    "--recipe baseline --dataset synthetic --synthetic-size 500 --model wrn_10_1 --batch-size 32 --lr 0.05 "
    "--epochs 5 --save-steps 10 --resume auto --engine paddle"
).split()


def ip(*arguments: str) -> None:
    """Run ``ip`` with these arguments."""
    subprocess.run(["ip", *arguments], check=True)


def cable(state: str) -> None:
    """Pull the cable at the second node ("down") or put it back ("up")."""
    ip("-n", "cifar-b", "link", "set", "cifar-b", state)


def build() -> None:
    """Make the namespaces and the cable."""
    for name in NODES:
        ip("netns", "add", name)
    ip("link", "add", "cifar-a", "netns", "cifar-a", "type", "veth", "peer", "cifar-b", "netns", "cifar-b")
    for name, address in NODES.items():
        ip("-n", name, "addr", "add", f"{address}/24", "dev", name)
        for device in (name, "lo"):
            ip("-n", name, "link", "set", device, "up")


def start(folder: Path, name: str) -> list[subprocess.Popen]:
    """A launcher on each node, working in a folder of its own."""
    launchers = []
    for node, address in NODES.items():
        work = folder / node
        work.mkdir(exist_ok=True)
        launch = f"-m paddle.distributed.launch --master 10.77.0.1:8787 --nnodes 2 --host {address}".split()
        command = ["ip", "netns", "exec", node, sys.executable, *launch, str(ROOT / "main.py"), *TRAIN]
        with open(work / "launcher.txt", "a") as log:
            launchers.append(
                subprocess.Popen([*command, "--name", name], cwd=work, stdout=log, stderr=subprocess.STDOUT)
            )
    return launchers


def trainer_below(launcher: int) -> int:
    """The process id of main.py that a launcher started; 0 while there is none."""
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(entry.read_text().rpartition(")")[2].split()[1])
        except OSError:  # ended meanwhile
            continue
        if parent == launcher:
            return int(entry.parent.name)
    return 0


def running(process: int) -> bool:
    """Whether a process lives; a zombie does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def interrupt(folder: Path, step: int, kind: str) -> float:
    """Train until the checkpoint of a step, disturb the second node; seconds until the first one ended."""
    launchers = start(folder, "disturbed")
    checkpoints = folder / "cifar-a" / "outputs" / "disturbed" / "checkpoints"
    while not any(int(path.stem) >= step for path in checkpoints.glob("0*.safetensors")):
        if launchers[0].poll() is not None:
            sys.exit(f"the run ended before step {step}; see {folder}")
        time.sleep(0.05)
    first, second = (trainer_below(launcher.pid) for launcher in launchers)
    began = time.monotonic()
    if kind == "killed":
        os.kill(second, 9)
    else:
        cable("down")
    while running(first):
        time.sleep(0.02)
    seconds = time.monotonic() - began
    for launcher in launchers:
        launcher.wait(timeout=60)
    cable("up")
    return seconds


def finish(folder: Path, name: str) -> dict[str, np.ndarray]:
    """Train to the end; the tensors of the last checkpoint."""
    codes = [launcher.wait(timeout=600) for launcher in start(folder, name)]
    if codes != [0, 0]:
        sys.exit(f"the launchers ended with {codes}; see {folder}")
    return load_file(max((folder / "cifar-a/outputs" / name / "checkpoints").glob("0*.safetensors")))


def main() -> None:
    """Print the figures."""
    folder = Path(tempfile.mkdtemp(prefix="two-nodes-"))
    build()
    try:
        whole = finish(folder, "whole")
        print(f"killed: the first process ended {interrupt(folder, 20, 'killed'):.1f} s after the second")
        print(f"cable pulled: it ended after {interrupt(folder, 50, 'cable'):.1f} s")
        disturbed = finish(folder, "disturbed")
    finally:
        for name in NODES:
            ip("netns", "del", name)
    same = whole.keys() == disturbed.keys() and all(np.array_equal(whole[k], disturbed[k]) for k in whole)
    logs = "".join(path.read_text() for path in folder.glob("*/log/workerlog.*"))
    print("the resumed run ends", "bit-equal to the undisturbed one" if same else "DIFFERENTLY")
    print(
        "weights of the two processes:",
        "DIFFERENT" if "no longer the same" in logs else "equal after every epoch",
    )
    written = [path for path in (folder / "cifar-b").rglob("*") if path.is_file() and "outputs" in path.parts]
    print(f"files of the run on the second node: {len(written)}; everything is in {folder}")


if __name__ == "__main__":
    main()
