"""Signals while a run trains; whole runs that are stopped are in test_trainer.py."""

import signal
import subprocess
import sys

import pytest

from tests.conftest import ROOT


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send these signals to a process")
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_second_signal_leaves_at_once(name, code):
    """In the middle of a batch that never ends."""
    script = f"""import signal
from paddle_cifar.interrupts import StopSignals
with StopSignals() as stop:
    signal.raise_signal(signal.{name})
    print(stop.requested, flush=True)
    signal.raise_signal(signal.{name})
    print("still here", flush=True)"""
    process = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert process.returncode == code and "Traceback" not in process.stderr
    assert process.stdout == f"{int(getattr(signal, name))}\n", "the first one is only noted"
