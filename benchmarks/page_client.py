"""The page of ``python main.py demo`` in a process of its own, spoken to as its script in a browser does."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parent.parent


class Page:
    """A server on a free port, with ``folder`` as the place for its temporary files.

    Args:
        flags: of the command, ``--run`` for one.
        folder: there already.
    """

    def __init__(self, flags: Sequence[str], folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "main.py"), "demo", "--port", str(self.port), *flags],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": str(folder)},
        )
        assert self.process.stdout is not None
        if "open http://127.0.0.1" not in self.process.stdout.readline():
            sys.exit("the page did not start")

    def upload(self, data: bytes, name: str = "a.png") -> str:
        """Hand over a file; returns where the server keeps it."""
        edge = uuid.uuid4().hex
        head = f'--{edge}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
        body = head.encode() + data + f"\r\n--{edge}--\r\n".encode()
        return self._post("upload", body, f"multipart/form-data; boundary={edge}")[0]

    def look(self, file: dict[str, Any], session: str = "") -> tuple[bool, Any]:
        """What the page shows of an uploaded file: whether it succeeded, and bars, remark and pictures."""
        session = session or uuid.uuid4().hex
        data = [{"meta": {"_type": "gradio.FileData"}, **file}, "en"]
        body = json.dumps({"data": data, "fn_index": 0, "session_hash": session})
        self._post("queue/join", body.encode(), "application/json")
        with urllib.request.urlopen(self.address(f"queue/data?session_hash={session}"), timeout=60) as lines:
            for line in lines:
                if b'"process_completed"' in line:
                    message = json.loads(line.decode().removeprefix("data:"))
                    return message["success"], message["output"].get("data")
        raise OSError("no answer")

    def address(self, path: str) -> str:
        """Of one of Gradio's own services."""
        return f"http://127.0.0.1:{self.port}/gradio_api/{path}"

    def _post(self, path: str, body: bytes, content_type: str) -> Any:
        request = urllib.request.Request(self.address(path), body, {"Content-Type": content_type})
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)

    def megabytes(self) -> float:
        """Of memory that the server holds."""
        return psutil.Process(self.process.pid).memory_info().rss / 1e6

    def files(self) -> list[Path]:
        """Its temporary files."""
        return [path for path in self.folder.rglob("*") if path.is_file()]

    def stop(self) -> int:
        """End it as Ctrl-C does; returns the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=60)
