"""Training speed on this CPU: the engine, Paddle as installed, and PyTorch, taking turns in one run.

    pip install -r requirements-bench.txt          # PyTorch; without it those columns stay empty
    python benchmarks/cpu_engine.py                # the four networks of the table, about 20 minutes
    python benchmarks/cpu_engine.py --networks resnet18 --batch-size 32 --steps 2

Every contestant is a process of its own (thread settings are read when a library is loaded) that waits for
its turn, so a change of the machine's speed hits all of them alike. A step is forward, backward and SGD with
momentum; the median counts. The last column is the part of a step spent inside oneDNN's primitives.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CORES = str(len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else str(os.cpu_count())
TUNED = {
    "OMP_NUM_THREADS": CORES,
    "MKL_DEBUG_CPU_TYPE": "5",
}  # the second makes MKL use AVX2 on AMD, ignored elsewhere

# OpenMP's threads go on spinning for 0.2 s after their work, in the way of whoever comes next.
SETTLE_SECONDS = 0.4

# name: (our name, stem, batch size)
NETWORKS = {
    "resnet18": ("resnet18", "cifar", 128),
    "resnet50": ("resnet50", "cifar", 128),
    "resnet18_imagenet_stem": ("resnet18", "imagenet", 256),
    "wrn_16_4": ("wrn_16_4", "cifar", 128),
}
# name: (worker, precision, environment)
CONTESTANTS = {
    "paddle as installed": ("paddle", "float32", {"OMP_NUM_THREADS": None, "MKL_DEBUG_CPU_TYPE": None}),
    "paddle, all cores": ("paddle", "float32", TUNED),
    "torch float32": ("torch", "float32", TUNED),
    "torch bf16": ("torch", "bf16", TUNED),
    "engine float32": ("onednn", "float32", TUNED),
    "engine bf16": ("onednn", "bf16", TUNED),
}


def paddle_step(
    name: str, engine: str, precision: str, batch_size: int
) -> tuple[Callable[[], None], Callable[[], float]]:
    """One training step on Paddle, and the seconds spent inside oneDNN since the last call."""
    import paddle

    from paddle_cifar.engine import apply_engine, primitive
    from paddle_cifar.models import build_network

    model, stem, _ = NETWORKS[name]
    network = build_network(model, stem)
    report = apply_engine(network, engine, precision)
    if report.engine != engine:
        raise SystemExit(str(report))
    optimizer = paddle.optimizer.Momentum(0.01, parameters=network.parameters())
    image, label = paddle.randn([batch_size, 3, 32, 32]), paddle.randint(0, 100, [batch_size])
    inside, run = [0.0], primitive.Primitive.run

    def timed(self: primitive.Primitive, pointers: dict[int, int]) -> None:
        started = time.perf_counter()
        run(self, pointers)
        inside[0] += time.perf_counter() - started

    primitive.Primitive.run = timed  # type: ignore[method-assign]

    def step() -> None:
        paddle.nn.functional.cross_entropy(network(image), label).backward()
        optimizer.step()
        optimizer.clear_grad()

    def spent() -> float:
        seconds, inside[0] = inside[0], 0.0
        return seconds

    return step, spent


def torch_network(name: str):  # noqa: ANN201  (PyTorch may be missing)
    """The same network in PyTorch."""
    import torch
    from torch import nn

    def conv(inside: int, outside: int, size: int, stride: int = 1) -> nn.Conv2d:
        return nn.Conv2d(inside, outside, size, stride, size // 2, bias=False)

    class Block(nn.Module):
        """A residual block: basic, bottleneck (`expansion` 4) or pre-activation."""

        def __init__(self, inside: int, width: int, stride: int, expansion: int, before: bool) -> None:
            super().__init__()
            outside, self.before = width * expansion, before
            plan = [(inside, width, 3, stride), (width, width, 3, 1)]
            if expansion > 1:
                plan = [(inside, width, 1, 1), (width, width, 3, stride), (width, outside, 1, 1)]
            layers = []
            for number, (a, b, size, step) in enumerate(plan):
                pair = [nn.BatchNorm2d(a if before else b), nn.ReLU(inplace=True)]
                if before:
                    layers += [*(pair if number else []), conv(a, b, size, step)]
                else:
                    layers += [conv(a, b, size, step), *(pair if number < len(plan) - 1 else pair[:1])]
            self.first = nn.Sequential(nn.BatchNorm2d(inside), nn.ReLU()) if before else nn.Identity()
            self.branch, self.last = nn.Sequential(*layers), nn.Identity() if before else nn.ReLU()
            self.shortcut = nn.Identity()
            if stride > 1 or inside != outside:
                self.shortcut = conv(inside, outside, 1, stride)
                if not before:
                    self.shortcut = nn.Sequential(self.shortcut, nn.BatchNorm2d(outside))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.first(x)
            changed = y if self.before and not isinstance(self.shortcut, nn.Identity) else x
            return self.last(self.branch(y) + self.shortcut(changed))

    before = name == "wrn_16_4"
    expansion = 4 if name == "resnet50" else 1
    stages = (
        [(64, 2, 1), (128, 2, 2), (256, 2, 2)]
        if before
        else [(64, 2, 1), (128, 2, 2), (256, 2, 2), (512, 2, 2)]
    )
    if name == "resnet50":
        stages = [(width, count, step) for (width, _, step), count in zip(stages, (3, 4, 6, 3), strict=True)]
    inside = 16 if before else 64
    layers = [conv(3, inside, 3)] if before else [conv(3, inside, 3), nn.BatchNorm2d(inside), nn.ReLU()]
    if name.endswith("imagenet_stem"):
        layers = [conv(3, inside, 7, 2), nn.BatchNorm2d(inside), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    for width, count, stride in stages:
        for number in range(count):
            layers.append(Block(inside, width, 1 if number else stride, expansion, before))
            inside = width * expansion
    layers += [nn.BatchNorm2d(inside), nn.ReLU()] if before else []
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inside, 100))


def torch_step(name: str, precision: str, batch_size: int) -> tuple[Callable[[], None], Callable[[], float]]:
    """One training step on PyTorch in its fastest layout, channels last."""
    import torch

    network = torch_network(name).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(network.parameters(), 0.01, momentum=0.9)
    image = torch.randn(batch_size, 3, 32, 32).to(memory_format=torch.channels_last)
    label = torch.randint(0, 100, (batch_size,))

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            logits = network(image)
        torch.nn.functional.cross_entropy(logits.float(), label).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step, lambda: 0.0


def work(name: str, contestant: str, batch_size: int) -> None:
    """A contestant's process: one line of JSON for every line on standard input."""
    engine, precision, _ = CONTESTANTS[contestant]
    if engine == "torch":
        step, spent = torch_step(name, precision, batch_size)
    else:
        step, spent = paddle_step(name, engine, precision, batch_size)
    for _ in range(2):  # makes primitives, times the ways to compute, fills memory pools
        step()
    print("ready", flush=True)
    for _ in sys.stdin:
        spent()
        started = time.perf_counter()
        step()
        print(json.dumps([time.perf_counter() - started, spent()]), flush=True)


def start(name: str, contestant: str, batch_size: int) -> subprocess.Popen[str] | None:
    """The contestant's process, warmed up; None if it cannot run here."""
    settings = {**os.environ, **CONTESTANTS[contestant][2], "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, __file__, "--work", contestant, "--networks", name, "--batch-size", str(batch_size)],
        env={key: value for key, value in settings.items() if value is not None},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    for line in process.stdout:
        if line.strip() == "ready":
            return process
    return None


def compete(name: str, batch_size: int, steps: int) -> dict[str, tuple[float, float]]:
    """Median seconds of a step, and inside oneDNN, for every contestant that runs here."""
    processes = {contestant: start(name, contestant, batch_size) for contestant in CONTESTANTS}
    running = {contestant: process for contestant, process in processes.items() if process}
    times: dict[str, list[list[float]]] = {contestant: [] for contestant in running}
    for _ in range(steps):
        for contestant, process in running.items():
            time.sleep(SETTLE_SECONDS)
            process.stdin.write("step\n")
            process.stdin.flush()
            times[contestant].append(json.loads(process.stdout.readline()))
    for process in running.values():
        process.stdin.close()
        process.wait()
    return {key: tuple(map(statistics.median, zip(*taken, strict=True))) for key, taken in times.items()}


def table(results: dict[str, tuple[int, dict[str, tuple[float, float]]]]) -> str:
    """Images per second of every contestant, and the ratios the project promises."""
    head = ["network, batch", *CONTESTANTS, "over installed", "over torch float32", "over torch bf16"]
    head += ["float32 over torch float32", "share in primitives"]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for name, (batch_size, medians) in results.items():
        speed = {contestant: batch_size / taken for contestant, (taken, _) in medians.items()}
        cells = [f"{speed[contestant]:.0f}" if contestant in speed else "-" for contestant in CONTESTANTS]
        best = max((key for key in speed if key.startswith("engine")), key=speed.__getitem__)
        for ours, theirs in ((best, "paddle as installed"), (best, "torch float32"), (best, "torch bf16"),
                             ("engine float32", "torch float32")):  # fmt: skip
            cells.append(f"{speed[ours] / speed[theirs]:.2f}" if theirs in speed else "-")
        taken, inside = medians[best]
        lines.append(f"| {name}, {batch_size} | " + " | ".join([*cells, f"{inside / taken:.2f}"]) + " |")
    return "\n".join(lines)


def machine() -> str:
    """The processor's name and what it can do, for the table's heading."""
    sys.path.insert(0, str(ROOT))
    from paddle_cifar.engine import cpu

    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    wanted = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in cpu.features()]
    return f"{model or platform.processor()}, {CORES} cores, {' '.join(wanted)}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--batch-size", type=int, help="instead of each network's own")
    parser.add_argument("--steps", type=int, default=7, help="steps of each contestant")
    parser.add_argument("--output", type=Path, help="write the table to this file too")
    parser.add_argument("--work", choices=CONTESTANTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        return work(options.networks[0], options.work, options.batch_size)
    results = {}
    for name in options.networks:
        batch_size = options.batch_size or NETWORKS[name][2]
        results[name] = (batch_size, compete(name, batch_size, options.steps))
        print(table({name: results[name]}), flush=True)
    text = f"Images per second of a training step on {machine()}.\n\n{table(results)}\n"
    print(text)
    if options.output:
        options.output.write_text(text, encoding="utf-8")
    return None


if __name__ == "__main__":
    main()
