"""What this processor can do. Nothing here needs Paddle."""

from __future__ import annotations

import functools
from pathlib import Path


@functools.cache
def features() -> frozenset[str]:
    """The processor's instruction sets as Linux names them, empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    flags = next((line for line in lines if line.startswith("flags")), "")
    return frozenset(flags.partition(":")[2].split())


def has_bf16() -> bool:
    """Whether bf16 multiplications are faster than float32 ones here (AMX, or AVX512-BF16 as on AMD's Zen
    4).
    """
    return bool(features() & {"amx_bf16", "avx512_bf16"})


def has_avx2() -> bool:
    """Whether the processor has the AVX2 instructions."""
    return "avx2" in features()
