"""The outcome of a contest as a table."""

from __future__ import annotations

from collections.abc import Mapping

from paddle_cifar.bench.contest import Timing, Workload
from paddle_cifar.cores import available_cores
from paddle_cifar.engine.cpu import features
from paddle_cifar.environment import cpu_name


def table(results: Mapping[str, tuple[Workload, dict[str, Timing]]]) -> str:
    """A Markdown table of images per second, and of how the engine's faster precision compares."""
    rivals = list(dict.fromkeys(name for _, timings in results.values() for name in timings))
    others = [name for name in rivals if not name.startswith("engine")]
    head = [
        "network, batch",
        *rivals,
        *(f"over {name}" for name in others),
        "primitives alone",
        "arithmetic alone",
    ]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for name, (workload, timings) in results.items():
        speed = {rival: workload.batch_size / timing.seconds for rival, timing in timings.items()}
        engines = [rival for rival in timings if rival.startswith("engine")]
        best = max(engines, key=speed.__getitem__, default=None)
        cells = [f"{speed[rival]:.0f}" if rival in speed else "-" for rival in rivals]
        cells += [f"{speed[best] / speed[rival]:.2f}" if best and rival in speed else "-" for rival in others]
        limits = (timings[best].inside, timings[best].bound) if best else (0.0, 0.0)
        cells += [f"{workload.batch_size / seconds:.0f}" if seconds else "-" for seconds in limits]
        lines.append(f"| {name}, {workload.batch_size} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def machine() -> str:
    """The processor, its cores, and what of its instruction sets matters here."""
    wanted = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in features()]
    return " ".join([f"{cpu_name()}, {available_cores()} cores", *wanted])
