"""Downloads the archive: time-outs, a lock against a second download, and never a half-written file."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import sys
import threading
import time
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

from paddle_cifar.errors import RunError

URL = "https://dataset.bj.bcebos.com/cifar/cifar-100-python.tar.gz"  # Paddle's own address
MD5 = "eb9058c3a382ffc7106e4002c42a8d85"
WAYS_TO_SUPPLY = (
    "pass --data-file PATH, set CIFAR100_FILE, or put cifar-100-python.tar.gz into the folder data/"
)

HEARTBEAT_SECONDS = 2.0  # how often the owner of the lock touches it
STALE_SECONDS = 20.0  # a lock left untouched for so long has no owner any more
ORPHAN_SECONDS = 3600.0  # a temporary file left unwritten for so long is removed
SIZE_LIMIT = 1 << 30  # bytes; the published archive has 161 MiB
_CHUNK = 1 << 18


def download(
    destination: Path,
    url: str = URL,
    md5: str = MD5,
    timeout_seconds: float = 20.0,
    show_progress: bool | None = None,
) -> Path:
    """Fetch ``url`` to ``destination``, unless it is there already; returns ``destination``.

    Args:
        destination: where the file goes; its folder is created. Appears only when whole and verified.
        url: http or https address.
        md5: expected MD5 in hex; a file with another one is removed.
        timeout_seconds: of the connection and of every single read, so a stalled server ends it too.
        show_progress: True draws a bar on stderr, False is silent, None draws the bar
            on a terminal and prints two plain lines elsewhere.

    Raises:
        RunError: with the ways to supply the file by hand.
    """
    destination = Path(destination)
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        with _lock(destination):
            if not destination.is_file():  # else the process we waited for has brought it
                _remove_orphans(destination)
                _fetch(destination, url, md5, timeout_seconds, _Progress(url, destination, show_progress))
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = " ".join(str(getattr(error, "reason", None) or error or type(error).__name__).split())
        raise RunError(f"cannot download {url} to {destination}: {reason}; {WAYS_TO_SUPPLY}") from error
    return destination


def _fetch(destination: Path, url: str, md5: str, timeout_seconds: float, progress: _Progress) -> None:
    """Write to a temporary file beside ``destination``, verify it, then rename it; OSError on any failure."""
    temporary = _beside(destination, f".{uuid.uuid4().hex}.part")
    digest = hashlib.md5(usedforsecurity=False)
    received = 0
    try:
        with urllib.request.urlopen(url, timeout=timeout_seconds) as response, open(temporary, "xb") as file:
            total = int(response.headers.get("Content-Length") or 0)
            progress.start(total)
            while block := response.read1(_CHUNK):  # one receive each: the time-out counts from the last byte
                received += len(block)
                if received > SIZE_LIMIT:
                    raise OSError(f"it is longer than {SIZE_LIMIT >> 20} MiB")
                digest.update(block)
                file.write(block)
                progress.advance(received)
            file.flush()
            os.fsync(file.fileno())  # before the rename, or a power cut leaves a whole name on an empty file
        if total and received < total:
            raise OSError(f"the connection ended after {received} of {total} bytes")
        if digest.hexdigest() != md5:
            raise OSError(f"the MD5 is {digest.hexdigest()}, not {md5}, so the file was removed")
        os.replace(temporary, destination)
    finally:  # also on Ctrl-C
        temporary.unlink(missing_ok=True)
        progress.stop()


@contextlib.contextmanager
def _lock(destination: Path) -> Iterator[None]:
    """Hold ``destination``'s lock file, waiting for its owner as long as that one lives.

    The lock only saves traffic: should two processes ever hold it, both still write
    temporary files of their own and rename a verified file into place.
    """
    path, token = _beside(destination, ".lock"), uuid.uuid4().hex
    seen, seen_at = None, time.monotonic()
    while not _create(path, token):
        with contextlib.suppress(FileNotFoundError):
            # Whether the time stamp moves, not how old it is: the clock may be a file server's.
            if (modified := path.stat().st_mtime_ns) != seen:
                if seen is None:
                    print(f"waiting for another download to finish ({path})", file=sys.stderr)
                seen, seen_at = modified, time.monotonic()
            elif time.monotonic() - seen_at > STALE_SECONDS:
                path.unlink()
        time.sleep(0.1)
    released = threading.Event()

    def beat() -> None:
        while not released.wait(HEARTBEAT_SECONDS):
            with contextlib.suppress(OSError):
                os.utime(path)

    heart = threading.Thread(target=beat, daemon=True)
    try:
        heart.start()
        yield
    finally:
        released.set()
        with contextlib.suppress(OSError):
            if path.read_text() == token:  # else we were taken for dead and it is another's now
                path.unlink()


def _create(path: Path, token: str) -> bool:
    """Create the lock file; False if it exists. OSError if it cannot exist."""
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except FileExistsError:
        return False
    except PermissionError:
        if path.exists():  # Windows, while the owner is deleting it
            return False
        raise
    with open(descriptor, "w") as file:
        file.write(token)
    return True


def _beside(destination: Path, suffix: str) -> Path:
    return destination.with_name(destination.name + suffix)


def _remove_orphans(destination: Path) -> None:
    """Remove the temporary files of downloads that were killed."""
    for path in destination.parent.glob(f"{destination.name}.*.part"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > ORPHAN_SECONDS:
                path.unlink()


class _Progress:
    """A bar on a terminal, two plain lines elsewhere, or nothing; always on stderr."""

    def __init__(self, url: str, destination: Path, show: bool | None) -> None:
        self._url, self._destination = url, destination
        self._bar = sys.stderr.isatty() if show is None else show
        self._lines = show is None and not self._bar
        self._total = self._drawn = 0
        self._started = self._drawn_at = time.monotonic()

    def start(self, total_bytes: int) -> None:
        self._total = total_bytes
        if self._bar or self._lines:
            print(f"downloading {self._url} to {self._destination}", file=sys.stderr)

    def advance(self, received_bytes: int) -> None:
        now = time.monotonic()
        if not self._bar or (now - self._drawn_at < 0.2 and received_bytes != self._total):
            return
        self._drawn, self._drawn_at = received_bytes, now
        speed = received_bytes / max(now - self._started, 1e-3) / 2**20
        share = received_bytes / self._total if self._total else 0.0
        bar = f"[{'#' * int(30 * share):30}] {share:4.0%}" if self._total else ""
        print(f"\r{bar} {received_bytes / 2**20:.0f} MiB, {speed:.1f} MiB/s ", end="", file=sys.stderr)

    def stop(self) -> None:
        if self._bar and self._drawn:
            print(file=sys.stderr)
        elif self._lines and self._destination.is_file():
            print(f"saved {self._destination}", file=sys.stderr)
