"""Shared by all tests: Paddle with all cores, a small stand-in data set, and ways to call the program."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from paddle_cifar.environment import import_paddle

import_paddle()

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def no_real_home(tmp_path, monkeypatch):
    """No test reads or writes the user's data folders, whatever the order in which they run."""
    if "CIFAR100_FILE" in os.environ:
        monkeypatch.setenv("REAL_CIFAR100_FILE", os.environ["CIFAR100_FILE"])
        monkeypatch.delenv("CIFAR100_FILE")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def real_archive():
    """Path of the real archive; the test is skipped where CIFAR100_FILE does not name one."""
    path = os.environ.get("REAL_CIFAR100_FILE")
    if not path:
        pytest.skip("CIFAR100_FILE does not name the real archive")
    return path


@pytest.fixture
def command():
    """Run ``python main.py ...`` in a process of its own; returns the finished process."""

    def run(*arguments: str, timeout: float = 120, **environment: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, str(ROOT / "main.py"), *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=timeout,
            env={**os.environ, **environment},
        )

    return run


# A run small enough to be trained many times: 500 images, a network of 60,000 parameters.
SMALL_RUN = (
    "--recipe baseline --dataset synthetic --synthetic-size 500 --model lenet --batch-size 64 --epochs 3 "
    "--lr 0.02 --weight-decay 0.005 --log-freq 5 --engine paddle"
).split()


def stop_a_run(patch, place, condition):
    """Let a run get SIGTERM in the callback ``place``, where ``condition`` holds of its history."""
    from paddle_cifar.callbacks import Checkpoints

    def act(self, step, logs=None):
        if condition(self.history):
            signal.raise_signal(signal.SIGTERM)

    patch.setattr(Checkpoints, place, act, raising=False)
