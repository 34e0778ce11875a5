"""Serving the page, from its start to Ctrl-C.

Pictures come as uploads only, never from an address; they are decoded by ``prediction/images.py``, whose
limits hold here too, and kept in a folder that is emptied every ten minutes and removed at the end.
"""

from __future__ import annotations

import ctypes
import os
import queue
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from paddle_cifar.demo.page import build_page
from paddle_cifar.demo.pictures import draw_examples
from paddle_cifar.errors import RunError, UsageError
from paddle_cifar.interrupts import Interrupted
from paddle_cifar.optional import optional
from paddle_cifar.prediction.classifier import Classifier
from paddle_cifar.prediction.images import MAX_BYTES

AT_ONCE = 2  # pictures being decoded and looked at
WAITING = 32


def serve(classifier: Classifier, host: str, port: int, language: str) -> None:
    """Serve the page until Ctrl-C or SIGTERM, which raises ``Interrupted``.

    Raises:
        RunError: when Gradio is missing or the port is in use.
    """
    check_port(host, port)
    _share_freed_memory()
    with _temporary_folder() as folder:  # before Gradio is imported, which reads where it is
        gradio = optional("gradio", '"gradio>=6,<7"')
        page = build_page(gradio, classifier, language, draw_examples(folder / "examples"))
        page.queue(max_size=WAITING, default_concurrency_limit=AT_ONCE)
        with _stop_signal() as stopped:
            launch(page, host, port)
            print(f"open http://{host}:{port}/ in a browser; Ctrl-C ends it", flush=True)
            number = _first(stopped)
            page.close(verbose=False)
    raise Interrupted(number, "the page is closed")


def launch(page: Any, host: str, port: int) -> None:
    """Start serving in the background."""
    try:
        page.launch(
            server_name=host,
            server_port=port,
            max_file_size=MAX_BYTES,
            prevent_thread_lock=True,
            quiet=True,
            share=False,
            ssr_mode=False,
            footer_links=[],
            theme=_offline_theme(),
        )
    except OSError as error:
        raise RunError(f"port {port} of {host} cannot be used ({error}); choose another --port") from error


def check_port(host: str, port: int) -> None:
    """RunError unless a server can be started there; UsageError for what is no port."""
    if not 1 <= port <= 65535:
        raise UsageError(f"--port is {port}; it must be from 1 to 65535")
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as trial:
            if os.name != "nt":  # there it would let two programs share the port
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind((host, port))
    except OSError as error:
        raise RunError(
            f"port {port} of {host} cannot be used ({error.strerror or error}); choose another --port"
        ) from error


def _offline_theme() -> Any:
    """Gradio's own look in the system's fonts: the default theme loads some from the network."""
    from gradio.themes import Default

    return Default(font=["system-ui", "sans-serif"], font_mono=["monospace"])


def _share_freed_memory() -> None:
    """Let all threads use one pool of the C library's memory.

    Each would otherwise get one of its own, which never shrinks (``engine/tensors.py``): after a thousand
    pictures the program had 1,090 MB and was growing, with one pool it stays near 720 MB.
    """
    m_arena_max = -8
    with suppress(OSError, AttributeError, TypeError):  # not glibc; TypeError on Windows
        ctypes.CDLL(None).mallopt(m_arena_max, 1)


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="paddle-cifar-demo-", ignore_cleanup_errors=True) as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        yield Path(folder)


def _first(came: queue.SimpleQueue[int]) -> int:
    """The first signal. It wakes up now and then, or Windows would not let Ctrl-C through."""
    while True:
        with suppress(queue.Empty):
            return came.get(timeout=0.5)


@contextmanager
def _stop_signal() -> Iterator[queue.SimpleQueue[int]]:
    """The number of the first Ctrl-C or SIGTERM is put into the queue; a second one leaves at once."""
    came: queue.SimpleQueue[int] = queue.SimpleQueue()

    def note(number: int, frame: FrameType | None) -> None:
        if not came.empty():
            os._exit(128 + number)
        came.put(number)

    previous = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
