"""How a network fails: measures, figures, one offline page, VisualDL, and runs side by side.

In a notebook, on plain arrays:

    from paddle_cifar.report import evaluate_predictions
    evaluate_predictions(logits, labels).scores

Everything is imported when first used, so that ``import paddle_cifar.report`` needs neither
scikit-learn nor matplotlib nor Paddle.
"""

from __future__ import annotations

import importlib
from typing import Any

LANGUAGES = ("en", "zh")

_HOME = {
    "Evaluation": "evaluate",
    "evaluate_predictions": "evaluate",
    "report_run": "command",
    "compare_runs": "compare",
}
__all__ = ["LANGUAGES", *sorted(_HOME)]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'paddle_cifar.report' has no attribute '{name}'")
    return getattr(importlib.import_module(f"paddle_cifar.report.{_HOME[name]}"), name)
