"""What runs a network's layers on this device: Paddle's own kernels, or on a CPU the oneDNN in Paddle's
wheel.

    from paddle_cifar.engine import apply_engine
    report = apply_engine(network, engine="auto", precision="auto")
    print(report)   # e.g. "engine onednn, bf16: oneDNN 3.6.2"

The network stays what it was: same class, parameters, state_dict, hooks; training, evaluation and prediction
use it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paddle_cifar.engine.switch import EngineReport, apply_engine, remove_engine

__all__ = ["ENGINES", "PRECISIONS", "EngineReport", "apply_engine", "remove_engine"]

ENGINES = ("auto", "onednn", "paddle")
PRECISIONS = ("auto", "float32", "bf16")


def __getattr__(name: str) -> Any:
    """Load what needs Paddle only when it is asked for."""
    if name in __all__:
        from paddle_cifar.engine import switch

        return getattr(switch, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
