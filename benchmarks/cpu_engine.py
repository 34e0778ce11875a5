"""Training speed on this CPU: the engine, Paddle as installed, and PyTorch, taking turns in one run.

    pip install -r requirements-bench.txt          # PyTorch; without it those columns stay empty
    python benchmarks/cpu_engine.py                # the four networks of the table, about 20 minutes
    python benchmarks/cpu_engine.py --networks resnet18 --batch-size 32 --rounds 2

The contest itself is paddle_cifar/bench/, which `python main.py bench` runs without PyTorch. "Primitives
alone" is the speed if a step were nothing but oneDNN's primitives and the engine's own kernels, "arithmetic
alone" if it were nothing but the multiplications of plain convolutions at the speed of a large matrix product
(Winograd's has fewer).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paddle_cifar.bench import Contestant, Runner, Workload, contest, machine, serve, table
from paddle_cifar.bench.training import CONTESTANTS, WORKLOADS

PYTORCH = {
    "torch float32": Contestant((__file__, "--serve"), "torch", "float32"),
    "torch bf16": Contestant((__file__, "--serve"), "torch", "bf16"),
}


def torch_network(workload: Workload):  # noqa: ANN201  (PyTorch may be missing)
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

    before = workload.model == "wrn_16_4"
    expansion = 4 if workload.model == "resnet50" else 1
    stages = (
        [(64, 2, 1), (128, 2, 2), (256, 2, 2)]
        if before
        else [(64, 2, 1), (128, 2, 2), (256, 2, 2), (512, 2, 2)]
    )
    if workload.model == "resnet50":
        stages = [(width, count, step) for (width, _, step), count in zip(stages, (3, 4, 6, 3), strict=True)]
    inside = 16 if before else 64
    layers = [conv(3, inside, 3)] if before else [conv(3, inside, 3), nn.BatchNorm2d(inside), nn.ReLU()]
    if workload.stem == "imagenet":
        layers = [conv(3, inside, 7, 2), nn.BatchNorm2d(inside), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    for width, count, stride in stages:
        for number in range(count):
            layers.append(Block(inside, width, 1 if number else stride, expansion, before))
            inside = width * expansion
    layers += [nn.BatchNorm2d(inside), nn.ReLU()] if before else []
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inside, 100))


def torch_step(workload: Workload, engine: str, precision: str) -> Runner:
    """One training step on PyTorch in its fastest layout, channels last."""
    import torch

    network = torch_network(workload).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(network.parameters(), 0.01, momentum=0.9)
    image = torch.randn(workload.batch_size, 3, 32, 32).to(memory_format=torch.channels_last)
    label = torch.randint(0, 100, (workload.batch_size,))

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            logits = network(image)
        torch.nn.functional.cross_entropy(logits.float(), label).backward()
        optimizer.step()
        optimizer.zero_grad()

    return Runner(step)


def main() -> None:
    if sys.argv[1:2] == ["--serve"]:
        return serve(torch_step)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--batch-size", type=int, help="instead of each network's own")
    parser.add_argument("--rounds", type=int, default=7, help="timed steps of each contestant")
    parser.add_argument("--output", type=Path, help="write the table to this file too")
    options = parser.parse_args()
    results = {}
    for name in options.networks:
        workload = WORKLOADS[name]
        if options.batch_size:
            workload = workload._replace(batch_size=options.batch_size)
        results[name] = (workload, contest(workload, {**CONTESTANTS, **PYTORCH}, options.rounds))
        print(table({name: results[name]}), flush=True)
    text = f"Images per second of a training step on {machine()}.\n\n{table(results)}\n"
    print(text)
    if options.output:
        options.output.write_text(text, encoding="utf-8")
    return None


if __name__ == "__main__":
    main()
