"""The page of ``python main.py demo`` under load: 2,000 requests from 8 clients, good pictures and bad files.

    pip install "gradio>=6,<7"
    python benchmarks/page_load.py                       # the pretrained weights
    python benchmarks/page_load.py --run outputs/<run>   # a run's

The page is started on a free port and spoken to as its own script in a browser does: upload, join
the queue, read the answer. Every good picture must get the answer it got the first time, every bad
file a refusal; the server's memory must not grow and nothing may be left on the disk.
"""

from __future__ import annotations

import argparse
import io
import struct
import sys
import tempfile
import threading
import time
import urllib.error
import uuid
import zlib
from dataclasses import astuple, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.page_client import Page

WARM_UP = 200  # requests, until caches are filled and every thread has run
TOO_LARGE_EVERY = 50  # requests: 34 MB each
PARTS = 4  # memory is looked at after each


def encoded(picture: Image.Image, format: str, **options: Any) -> bytes:
    """The contents of a picture file."""
    data = io.BytesIO()
    picture.save(data, format, **options)
    return data.getvalue()


def bomb() -> bytes:
    """A PNG of a few bytes whose header says 60000x60000."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """A picture that compresses badly."""
    shape = (height, width, len(mode))
    return Image.fromarray(np.random.default_rng(width).integers(0, 256, shape, dtype=np.uint8))


def good_files() -> dict[str, bytes]:
    """Pictures to be answered, by file name; one is named like another format."""
    frames = [Image.new("P", (90, 60), colour) for colour in (3, 9)]
    return {
        "small.png": encoded(noise(32, 32), "PNG"),
        "photo.jpg": encoded(noise(640, 480), "JPEG"),
        "large.jpg": encoded(noise(2400, 1800), "JPEG", quality=60),
        "transparent.webp": encoded(noise(300, 200, "RGBA"), "WEBP"),
        "moving.gif": encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]),
        "in-truth-a-png.jpg": encoded(noise(50, 70), "PNG"),
    }


def bad_files() -> dict[str, bytes]:
    """Files to be refused."""
    return {
        "cut-off.jpg": encoded(noise(640, 480), "JPEG")[:9000],
        "a-page.png": b"<html>not found</html>",
        "bomb.png": bomb(),
        "empty.png": b"",
    }


@dataclass
class Tally:
    """What became of the requests of all clients."""

    answered: int = 0
    refused: int = 0
    failures: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def __add__(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(*(one + two for one, two in zip(astuple(self), astuple(other), strict=True)))


def send(page: Page, requests: int, clients: int, first_answers: dict[str, Any]) -> Tally:
    """Send the requests, two good ones to one bad; every client waits for its answer before the next."""
    good, bad = good_files(), bad_files()
    numbers, tally = iter(range(requests)), Tally()
    turn = threading.Lock()

    def outcome(name: str, data: bytes, session: str) -> Any:
        """The bars that are shown, or None for a refusal; AssertionError for anything between."""
        try:
            file = page.upload(data, name)
        except (urllib.error.URLError, ConnectionError) as error:
            if len(data) < 32 * 2**20:
                raise
            assert getattr(error, "code", 413) == 413, error  # or the server has hung up already
            return None
        succeeded, shown = page.look({"path": file}, session)
        assert succeeded, shown
        bars, remark, *pictures = shown
        found = bars["confidences"] if bars else None
        assert (found is None) == ("cannot be used" in remark) == (pictures == [None, None]), shown
        return found

    def client() -> None:
        session = uuid.uuid4().hex
        while True:
            with turn:
                number = next(numbers, None)
            if number is None:
                return
            files = bad if number % 3 == 2 else good
            name = list(files)[number // 3 % len(files)]
            data, is_good = files[name], files is good
            if number % TOO_LARGE_EVERY == TOO_LARGE_EVERY - 1:
                name, data, is_good = "too-large.png", b"\0" * (34 * 2**20), False
            began = time.perf_counter()
            try:
                found = outcome(name, data, session)
                with turn:
                    assert (found is not None) == is_good, "a refusal" if is_good else "an answer"
                    assert found is None or first_answers.setdefault(name, found) == found, "another answer"
                    tally.answered += is_good
                    tally.refused += not is_good
                    tally.seconds.append(time.perf_counter() - began)
            except Exception as error:  # a client that ended would leave its requests to the others
                tally.failures.append(f"{name}: {type(error).__name__}: {error}")

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return tally


def main() -> int:
    """Print a table; exit code 1 when a request failed, memory grew, or a file was left."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", help="folder of a run [the pretrained weights]")
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--clients", type=int, default=8)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        page = Page(["--run", arguments.run] if arguments.run else [], Path(folder))
        answers: dict[str, Any] = {}
        try:
            first = send(page, WARM_UP, arguments.clients, answers)
            memory, tally, began = [page.megabytes()], Tally(), time.perf_counter()
            for _ in range(PARTS):
                tally += send(page, arguments.requests // PARTS, arguments.clients, answers)
                memory.append(page.megabytes())
            seconds, kept = time.perf_counter() - began, len(page.files())
        finally:
            code = page.stop()
        left = page.files()
    for failure in [*first.failures, *tally.failures][:20]:
        print(failure, file=sys.stderr)
    rows = {
        "requests, clients": f"{len(tally.seconds) + len(tally.failures):,}, {arguments.clients}",
        "good pictures answered": f"{tally.answered:,}",
        "bad files refused": f"{tally.refused:,}",
        "errors": f"{len(tally.failures)}",
        "a second": f"{len(tally.seconds) / seconds:.1f}",
        "median wait": f"{1000 * median(tally.seconds):.0f} ms",
        f"MB held after a warm-up of {WARM_UP}, then every {arguments.requests // PARTS}": ", ".join(
            f"{each:.0f}" for each in memory
        ),
        "temporary files at the end, and after Ctrl-C": f"{kept}, {len(left)} (exit code {code})",
    }
    print("| | |\n| --- | --- |")
    print("\n".join(f"| {name} | {value} |" for name, value in rows.items()))
    grew = memory[-1] > 1.05 * memory[1]
    return int(bool(first.failures or tally.failures or left or grew or code != 130))


if __name__ == "__main__":
    sys.exit(main())
