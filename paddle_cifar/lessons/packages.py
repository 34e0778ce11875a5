"""What the notebook needs besides Paddle, and how what is missing is installed. Imports nothing of it."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys

from paddle_cifar.errors import RunError

# Module -> requirement, as in requirements.txt. Neither Paddle nor numpy, which comes with it: AI Studio
# has them preinstalled, and another Paddle over the one that is there breaks both.
PACKAGES = {
    "visualdl": "visualdl>=2.5.3,<2.6",
    "matplotlib": "matplotlib>=3.7,<3.12",
    "sklearn": "scikit-learn>=1.3,<1.10",
    "safetensors": "safetensors>=0.4,<0.9",
    "PIL": "Pillow>=9.5,<14",
}


def missing_packages() -> list[str]:
    """Requirements of the packages that cannot be found; those that are there are taken as they are."""
    return [
        requirement for module, requirement in PACKAGES.items() if importlib.util.find_spec(module) is None
    ]


def install_missing() -> list[str]:
    """Install what is missing into the running interpreter's environment, and nothing else.

    Returns:
        The requirements that were installed; empty when nothing was missing.

    Raises:
        RunError: with pip's own last line, when it fails.
    """
    missing = missing_packages()
    if not missing:
        return []
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *missing]
    done = subprocess.run(command, capture_output=True, text=True)
    importlib.invalidate_caches()  # so that this process finds them without a restart
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        raise RunError(f"pip cannot install {' '.join(missing)}: {said}")
    return missing
