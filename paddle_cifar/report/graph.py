"""The network's graph for VisualDL; run as a program, because it needs a Paddle started in another way.

VisualDL 2.5.3 reads a ``.pdmodel``, which Paddle 3 writes only with its new intermediate
representation switched off, and that is decided when Paddle is imported.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from paddle_cifar.environment import import_paddle, python_path


class GraphTracer:
    """Traces a network in another process while the ``with`` block runs; ``finish`` waits for it.

    Args:
        model: name of the network.
        stem: of the network.
    """

    def __init__(self, model: str, stem: str) -> None:
        self.model, self.stem = model, stem

    def __enter__(self) -> GraphTracer:
        self._folder = tempfile.TemporaryDirectory()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "paddle_cifar.report.graph", self.model, self.stem, self._folder.name],
            env={**os.environ, "FLAGS_enable_pir_api": "0", "PYTHONPATH": python_path()},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *error: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()
        self._folder.cleanup()

    def finish(self, folder: Path, timeout: float = 120) -> str:
        """Put the graph into ``folder``; returns why there is none, or "" for success."""
        try:
            _, errors = self._process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            return f"tracing took longer than {timeout:.0f} s"
        traced = sorted(Path(self._folder.name).glob("vdlgraph*"))
        if self._process.returncode or not traced:
            return (errors.strip().splitlines() or ["no graph was written"])[-1]
        (folder / "vdlgraph.report.log").write_bytes(traced[-1].read_bytes())
        return ""


def trace(model: str, stem: str, folder: str) -> None:
    """Write the graph's file into ``folder``. Weights do not matter for it, so none are drawn."""
    paddle = import_paddle(1)
    from visualdl import LogWriter

    from paddle_cifar.models import build_network
    from paddle_cifar.models.summary import cheap_initialisation

    with cheap_initialisation():
        network = build_network(model, stem)
    network.eval()
    image = paddle.static.InputSpec([None, 3, 32, 32], "float32", "image")
    with contextlib.redirect_stdout(None), LogWriter(logdir=folder) as writer:
        writer.add_graph(network, [image])


if __name__ == "__main__":
    trace(*sys.argv[1:4])
