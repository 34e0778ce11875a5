"""Packages that not every command needs: imported when they are, and named with their install command."""

from __future__ import annotations

import importlib
from types import ModuleType

from paddle_cifar.errors import RunError


def optional(module: str, install: str) -> ModuleType:
    """Import ``module``; where that fails, RunError with the command: ``install`` are pip's arguments."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise RunError(f"cannot import {module} ({error}); run: pip install {install}") from error
