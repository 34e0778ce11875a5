"""Packages that only the report needs."""

from __future__ import annotations

import importlib
from types import ModuleType

from paddle_cifar.errors import RunError


def optional(module: str, package: str) -> ModuleType:
    """Import ``module``; RunError with the command that installs ``package`` where it is missing."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise RunError(f"the report needs {package} ({error}); run: pip install {package}") from error
