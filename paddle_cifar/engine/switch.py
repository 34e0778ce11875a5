"""`apply_engine`: choose what runs a network, and say which and why."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import paddle
from paddle import nn

from paddle_cifar.engine import ENGINES, PRECISIONS, cpu, dnnl

log = logging.getLogger(__name__)


@dataclass
class EngineReport:
    """What was chosen and why. `str()` is the line for the log."""

    engine: str
    precision: str
    reason: str

    def __str__(self) -> str:
        return f"engine {self.engine}, {self.precision}: {self.reason}"


@dataclass
class Switch:
    """Hangs on a network that the engine runs; turns itself off if the engine ever fails."""

    precision: str
    working: bool = True

    def run(self, network: nn.Layer, inputs: Any, options: Any) -> Any:
        """What the network answers: by the engine or, where that fails, by Paddle, whose errors come out."""
        from paddle_cifar.engine import seam
        from paddle_cifar.engine.activation import real

        usable = self.working and paddle.in_dynamic_mode() and paddle.get_device() == "cpu"
        if not usable:
            return seam.paddle_call(network, *inputs, **options)
        try:
            with seam.routed(dnnl.BF16 if self.precision == "bf16" else dnnl.FLOAT32):
                return real(seam.with_real_output(network, inputs, options))
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            log.debug("the engine failed", exc_info=True)
        result = seam.paddle_call(network, *inputs, **options)  # raises if it was the caller's mistake
        self.working = False
        log.warning("engine paddle from here: %s", reason)
        return result


def apply_engine(network: nn.Layer, engine: str = "auto", precision: str = "auto") -> EngineReport:
    """Let `network` run on the fastest engine this machine has, or on the one that is named.

    Never raises for want of a library or a processor: the report says what will run instead, and why.
    """
    if engine not in ENGINES or precision not in PRECISIONS:
        raise ValueError(f"engine must be one of {ENGINES} and precision one of {PRECISIONS}")
    remove_engine(network)
    reason = _hindrance(engine)
    if reason is not None:
        return EngineReport("paddle", "float32", reason)
    from paddle_cifar.engine import check, codegen, seam, tensors

    tensors.keep_freed_memory()
    found = f"oneDNN {dnnl.library().version} in Paddle {paddle.__version__}"
    candidates = ["float32"] if precision == "float32" or not cpu.has_bf16() else ["bf16", "float32"]
    if precision == "bf16" and not cpu.has_bf16():
        found += ", and a processor without bf16"
    for candidate in candidates:
        reason = check.failure(candidate)
        if reason is None:
            seam.install()
            network.__dict__["_engine"] = Switch(candidate)
            lacking = codegen.hindrance(dnnl.BF16 if candidate == "bf16" else dnnl.FLOAT32)
            if lacking:
                found += f"; slower without Winograd's convolutions: {lacking}"
            return EngineReport("onednn", candidate, found)
        found += f", where {reason}"
    return EngineReport("paddle", "float32", str(reason))


def remove_engine(network: nn.Layer) -> None:
    """Back to Paddle's own kernels."""
    network.__dict__.pop("_engine", None)


def _hindrance(engine: str) -> str | None:
    """Why oneDNN cannot be used, if so."""
    if engine == "paddle":
        return "as asked"
    if paddle.get_device() != "cpu":
        return f"the device is {paddle.get_device()}"
    try:
        dnnl.library()
    except dnnl.DnnlError as error:
        return str(error)
    return None if cpu.has_avx2() else "the processor has no AVX2"
