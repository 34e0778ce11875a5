"""Kernels and number format: what ``--engine`` and ``--precision`` mean on this device."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import paddle

from paddle_cifar import distributed
from paddle_cifar.engine import apply_engine
from paddle_cifar.errors import RunError

AMP_TYPES = {"bf16": "bfloat16", "fp16": "float16"}
# What a Linear layer is made of: the head's logits keep all their bits, as ties would be broken at random.
HEAD = ("matmul", "matmul_v2", "linear_v2")
AUTO = "leave the flag out, or resume with --precision auto --allow-changes"


def choose_arithmetic(
    network: paddle.nn.Layer, device: str, engine: str, precision: str, scaled_loss: bool = True
) -> tuple[str, str, str]:
    """Set the network up for the device; fp16 is chosen only where the loss can be scaled, as SAM's cannot.

    Returns:
        The engine ("onednn" or "paddle"), the precision ("float32", "bf16" or "fp16"),
        and a line that says why.

    Raises:
        RunError: for a precision that cannot be had; on a CPU Paddle's own mixed
            precision only warns and computes in float32, so nothing is passed to it.
    """
    if device != "cpu":
        precision = _gpu_precision(precision, scaled_loss)
        if precision != "float32":
            _autocast(network, AMP_TYPES[precision])
        return "paddle", precision, f"engine paddle, {precision}: the device is {device}"
    if precision == "fp16":
        raise RunError("--precision fp16 needs a GPU; on a CPU choose float32 or bf16")
    report = apply_engine(network, engine, precision)
    if precision not in ("auto", report.precision):
        raise RunError(f"--precision {precision} cannot be had here: {report.reason}; {AUTO}")
    return report.engine, report.precision, str(report)


def amp_configs(precision: str) -> dict[str, Any] | None:
    """What ``paddle.Model.prepare`` is told. It knows float16 only; weights stay float32 in every mode."""
    return {"level": "O1", "custom_black_list": set(HEAD)} if precision == "fp16" else None


def product_of(precision: str) -> Callable[..., paddle.Tensor]:
    """What multiplies an optimizer's matrices: on a CPU bf16 is the engine's, which has checked itself.

    Not with several processes: one of them may be on a machine without bf16, and all must
    take the same steps.
    """
    if precision == "bf16" and paddle.get_device() == "cpu" and not distributed.several():
        from paddle_cifar.engine.products import product

        return product
    return paddle.matmul


def _gpu_precision(asked: str, scaled_loss: bool) -> str:
    """The precision on a GPU: bf16, else fp16, else float32 where none is asked for.

    Paddle only warns where a GPU lacks one, and computes in float32; what it asks the GPU is asked here.

    Raises:
        RunError: for one the GPU lacks.
    """
    generation, _ = paddle.device.cuda.get_device_capability()
    there = {"bf16": paddle.amp.is_bfloat16_supported(), "fp16": generation >= 7, "float32": True}
    best = next(name for name in there if there[name] and (scaled_loss or name != "fp16"))
    if not there.get(asked, asked == "auto"):
        raise RunError(f"--precision {asked} cannot be had on this GPU; choose {best}; {AUTO}")
    return best if asked == "auto" else asked


def _autocast(network: paddle.nn.Layer, dtype: str) -> None:
    """Let a network compute in a shorter number format wherever it is called, and answer in float32.

    ``paddle.Model`` does so itself for float16, but only in training, where it scales the loss; bfloat16
    needs no scaling. Untested: no GPU was at hand when this was written.
    """
    forward = network.forward

    @functools.wraps(forward)
    def forward_in_short(*inputs: Any) -> Any:
        if network.training and dtype == "float16":
            return forward(*inputs)
        with paddle.amp.auto_cast(dtype=dtype, level="O1", custom_black_list=HEAD):
            logits = forward(*inputs)
        return logits.astype("float32")  # numpy has no bfloat16: .numpy() would give the bits as uint16

    network.forward = forward_in_short


def scaler_state(model: paddle.Model) -> dict[str, Any]:
    """The loss scaler's state as JSON values; empty unless the precision is fp16."""
    state = model._scaler.state_dict() if model._scaler is not None else {}
    return {name: np.asarray(value).tolist() for name, value in state.items()}


def restore_scaler(model: paddle.Model, progress: dict[str, Any]) -> None:
    """Let the loss scaler go on from :func:`scaler_state`, stored as ``scaler``."""
    state = progress.get("scaler")
    if state and model._scaler is not None:
        model._scaler.load_state_dict({**state, "scale": np.asarray(state["scale"], np.float32)})
