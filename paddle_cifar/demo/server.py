"""Serving the page, from its start to Ctrl-C.

Pictures come as uploads only, never from an address; they are decoded by ``prediction/images.py``, whose
limits hold here too, and kept for ten minutes (``folder.py``).
"""

from __future__ import annotations

import ctypes
import itertools
import os
import queue
import shutil
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from paddle_cifar.demo.folder import remove_old, temporary_folder
from paddle_cifar.demo.limits import LimitedBody
from paddle_cifar.demo.page import build_page
from paddle_cifar.demo.pictures import draw_examples
from paddle_cifar.errors import RunError, UsageError
from paddle_cifar.interrupts import Interrupted
from paddle_cifar.optional import optional
from paddle_cifar.prediction.classifier import Classifier
from paddle_cifar.prediction.images import MAX_BYTES

AT_ONCE = 2  # pictures being decoded and looked at
WAITING = 32
MOST_BYTES = 2 * MAX_BYTES  # of a request; a single file that is too large gets Gradio's refusal
CHECK_SECONDS = 0.5  # for Ctrl-C, which Windows would not let through otherwise
CHECKS_PER_CLEANING = 120


def serve(classifier: Classifier, host: str, port: int, language: str) -> None:
    """Serve the page until Ctrl-C or SIGTERM, which raises ``Interrupted``.

    Raises:
        RunError: when Gradio is missing or the port is in use.
    """
    check_port(host, port)
    _share_freed_memory()
    _leave_the_network_alone()
    with temporary_folder() as folder, _stop_signal(folder) as stopped:
        gradio = optional("gradio", '"gradio>=6,<7"')
        page = build_page(gradio, classifier, language, draw_examples(folder / "examples"))
        page.queue(max_size=WAITING, default_concurrency_limit=AT_ONCE)
        name = f"[{host}]" if ":" in host else host  # an address of IPv6
        launch(page, name, port)
        print(f"open http://{name}:{port}/ in a browser; Ctrl-C ends it", flush=True)
        number = _first(stopped, folder)
        page.close(verbose=False)
    raise Interrupted(number, "the page is closed")


def launch(page: Any, host: str, port: int) -> None:
    """Start serving in the background."""
    from starlette.middleware import Middleware  # of Gradio's own requirements

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
            app_kwargs={"middleware": [Middleware(LimitedBody, most=MOST_BYTES)]},
        )
    except OSError as error:
        raise RunError(f"port {port} of {host} cannot be used ({error}); choose another --port") from error
    except Exception as error:  # Gradio has no class for a server that does not answer it
        raise RunError(f"the page cannot be served at {host}:{port} ({error})") from error


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


def _leave_the_network_alone() -> None:
    """No statistics for Gradio, and no proxy: it begins by asking for the page, which no proxy can reach."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        os.environ.pop(name, None)
        os.environ.pop(name.upper(), None)


def _first(came: queue.SimpleQueue[int], folder: Path) -> int:
    """The number of the first signal. Until it comes, old uploads are removed from ``folder``."""
    own = set(folder.rglob("*"))  # examples, and what Gradio shows of them
    for check in itertools.count(1):
        with suppress(queue.Empty):
            return came.get(timeout=CHECK_SECONDS)
        if check % CHECKS_PER_CLEANING == 0:
            remove_old(folder, own)
    raise AssertionError  # the count has no end


@contextmanager
def _stop_signal(folder: Path) -> Iterator[queue.SimpleQueue[int]]:
    """The number of the first Ctrl-C or SIGTERM is put into the queue; a second one leaves at once."""
    came: queue.SimpleQueue[int] = queue.SimpleQueue()

    def note(number: int, frame: FrameType | None) -> None:
        if not came.empty():
            shutil.rmtree(folder, ignore_errors=True)
            os._exit(128 + number)
        came.put(number)

    previous = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
