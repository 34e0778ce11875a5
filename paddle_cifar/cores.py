"""How many processor cores this process may use: those it may run on, or the share a container was given."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")


def available_cores() -> int:
    """Processor cores this process may use, at least one.

    A container may be shown all cores of its host and be given the time of a few: more threads than
    that would only wait for each other.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    share = container_share(CGROUPS)
    return max(1, min(cores, int(share) if share else cores))


def container_share(cgroups: Path) -> float | None:
    """Cores that a container's time amounts to, by either version of Linux's control groups; None: no limit.

    https://docs.kernel.org/admin-guide/cgroup-v2.html (cpu.max), and cpu.cfs_quota_us of version 1.
    """
    with contextlib.suppress(OSError, ValueError):
        quota, period = (cgroups / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    with contextlib.suppress(OSError, ValueError):
        quota, period = (
            int((cgroups / "cpu" / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period")
        )
        return quota / period if quota > 0 else None
    return None
