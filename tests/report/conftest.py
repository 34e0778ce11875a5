"""A small run that is trained, reported and compared once for all tests of the report."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.browser import browser  # noqa: F401
from tests.conftest import ROOT, SMALL_RUN


def program(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """``python main.py ...`` with ``folder`` as working directory; must succeed."""
    process = subprocess.run(
        [sys.executable, str(ROOT / "main.py"), *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "HOME": str(folder / "home")},
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Path:
    """A folder in which ``outputs/first`` was trained for two epochs and nothing else was done."""
    folder = tmp_path_factory.mktemp("trained")
    program(folder, *SMALL_RUN, "--epochs", "2", "--name", "first")
    return folder


@pytest.fixture(scope="session")
def reported(trained, tmp_path_factory) -> Path:
    """A copy of it with a second run: both reported, then compared. What was printed is in *.txt."""
    folder = tmp_path_factory.mktemp("reported")
    shutil.copytree(trained / "outputs", folder / "outputs")
    shutil.copytree(folder / "outputs/first", folder / "outputs/second")
    printed = program(folder, "report", "--run", "outputs/first")
    (folder / "report.txt").write_text(printed.stdout + printed.stderr, encoding="utf-8")
    program(folder, "report", "--run", "outputs/second", "--lang", "zh")
    printed = program(folder, "compare", "--runs", "outputs/first", "outputs/second")
    (folder / "compare.txt").write_text(printed.stdout, encoding="utf-8")
    return folder


@pytest.fixture
def predictions():
    """Logits (600, 100) that are right about half of the time, and labels (600,); class 7 has no images."""
    random = np.random.default_rng(5)
    labels = random.permutation(np.delete(np.arange(700) % 100, np.arange(7, 700, 100))[:600])
    logits = random.normal(size=(600, 100)) * random.uniform(0.5, 3, size=(600, 1))
    logits[np.arange(600), labels] += 2.5
    return logits, labels
