"""How fast networks train on this CPU: ``python main.py bench``, and the core of benchmarks/cpu_engine.py."""

from __future__ import annotations

from collections.abc import Sequence

from paddle_cifar.bench.contest import Contestant, Runner, Timing, Workload, contest, serve
from paddle_cifar.bench.table import machine, table
from paddle_cifar.errors import UsageError, unknown_name

__all__ = [
    "Contestant",
    "Runner",
    "Timing",
    "Workload",
    "contest",
    "machine",
    "run_contests",
    "serve",
    "table",
]

# Small batches, so that even Paddle as installed is done soon; the engine gains more from large ones.
QUICK_BATCH = {"resnet18": 16, "resnet50": 16, "resnet18_imagenet_stem": 64, "wrn_16_4": 16}


def run_contests(names: Sequence[str] = (), batch_size: int | None = None, rounds: int = 2) -> str:
    """The table of the named workloads (none: all) without PyTorch, within two minutes on two cores.

    Raises:
        UsageError: for an unknown name, or numbers below 1.
    """
    from paddle_cifar.bench.training import CONTESTANTS, WORKLOADS

    for name in names:
        if name not in WORKLOADS:
            raise unknown_name("network", name, WORKLOADS)
    for flag, value in (("--rounds", rounds), ("--batch-size", batch_size)):
        if value is not None and value < 1:
            raise UsageError(f"{flag} is {value}; it must be at least 1")
    results = {}
    for name in names or WORKLOADS:
        print(f"training {name} ...", flush=True)
        workload = WORKLOADS[name]._replace(batch_size=batch_size or QUICK_BATCH[name])
        results[name] = (workload, contest(workload, CONTESTANTS, rounds))
    return f"Images per second of a training step on {machine()}.\n\n{table(results)}"
