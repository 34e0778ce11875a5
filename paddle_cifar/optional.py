"""Packages that not every command needs: imported when they are, and named with their install command."""

from __future__ import annotations

import importlib
from types import ModuleType

from paddle_cifar.errors import RunError


def optional(module: str, install: str) -> ModuleType:
    """Import ``module``; where that fails, RunError with the command: ``install`` are pip's arguments.

    One that is there but cannot be imported has to be installed again.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        again = "" if isinstance(error, ModuleNotFoundError) else "--force-reinstall "
        reason = " ".join(str(error).split())
        raise RunError(f"cannot import {module} ({reason}); run: pip install {again}{install}") from error
