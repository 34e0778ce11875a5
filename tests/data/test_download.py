"""Downloading: fault cases 5 (wrong hash), 10 (offline, stalled) and 11 (two at once), on 127.0.0.1 only."""

import hashlib
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from paddle_cifar.data import download as module
from paddle_cifar.data.download import download
from paddle_cifar.errors import RunError

CONTENT = bytes(range(256)) * 4000  # 1 MB
MD5 = hashlib.md5(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.paths.append(self.path)
        if self.path == "/silent":  # accepts, then never answers
            self.server.closing.wait(20)
            return
        self.send_response(404 if self.path == "/404" else 200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        half = len(CONTENT) // 2
        if self.path == "/wrong":
            self.wfile.write(bytes(len(CONTENT)))
        elif self.path in ("/stalled", "/cut"):
            self.wfile.write(CONTENT[:half])
            self.wfile.flush()
            if self.path == "/stalled":
                self.server.closing.wait(20)
        elif self.path == "/slow":
            for start in range(0, len(CONTENT), len(CONTENT) // 8):
                self.wfile.write(CONTENT[start : start + len(CONTENT) // 8])
                self.wfile.flush()
                time.sleep(0.1)
        else:
            self.wfile.write(CONTENT)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.paths, server.closing = [], threading.Event()
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.closing.set()
    server.shutdown()
    server.server_close()
    thread.join()


def refusal(destination, url, **options) -> str:
    """The message with which the download fails; nothing is left in the folder."""
    with pytest.raises(RunError) as caught:
        download(destination, url, MD5, **options)
    message = str(caught.value)
    assert "\n" not in message and url in message
    for way in ("--data-file", "CIFAR100_FILE", "data/"):
        assert way in message
    assert os.listdir(destination.parent) == []
    return message


def test_good_file(server, tmp_path, capsys):
    destination = tmp_path / "new" / "folder" / "a.tar.gz"
    assert download(destination, f"{server.url}/good", MD5) == destination
    assert destination.read_bytes() == CONTENT
    assert os.listdir(destination.parent) == ["a.tar.gz"]
    lines = capsys.readouterr().err.splitlines()  # not a terminal: two plain lines
    assert len(lines) == 2 and lines[0].startswith("downloading") and lines[1] == f"saved {destination}"


def test_progress_bar_and_silence(server, tmp_path, capsys):
    download(tmp_path / "a", f"{server.url}/good", MD5, show_progress=True)
    shown = capsys.readouterr()
    assert "\r" in shown.err and "100%" in shown.err and shown.out == ""
    download(tmp_path / "b", f"{server.url}/good", MD5, show_progress=False)
    assert capsys.readouterr().err == ""


def test_file_that_is_there_is_kept(server, tmp_path):
    (tmp_path / "a").write_bytes(b"mine")
    download(tmp_path / "a", f"{server.url}/good", MD5)
    assert (tmp_path / "a").read_bytes() == b"mine" and server.paths == []


def test_wrong_hash_is_refused_and_removed(server, tmp_path):
    assert MD5 in refusal(tmp_path / "a", f"{server.url}/wrong")


def test_connection_cut_and_missing_page(server, tmp_path):
    assert f"after {len(CONTENT) // 2} of {len(CONTENT)} bytes" in refusal(
        tmp_path / "a", f"{server.url}/cut"
    )
    assert "Not Found" in refusal(tmp_path / "a", f"{server.url}/404")


@pytest.mark.parametrize("path", ["silent", "stalled"])
def test_stalled_server_ends_within_the_timeout(server, tmp_path, path):
    started = time.monotonic()
    assert "timed out" in refusal(tmp_path / "a", f"{server.url}/{path}", timeout_seconds=0.5)
    assert 0.4 < time.monotonic() - started < 5


def test_slow_server_is_not_a_stalled_one(server, tmp_path):
    download(tmp_path / "a", f"{server.url}/slow", MD5, timeout_seconds=0.5)  # 0.8 s in all, 0.1 s a read
    assert (tmp_path / "a").read_bytes() == CONTENT


def test_offline(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound but not listening: refuses
        started = time.monotonic()
        refusal(tmp_path / "a", f"http://127.0.0.1:{closed.getsockname()[1]}/")
        assert time.monotonic() - started < 5


def test_address_that_is_none(tmp_path):
    refusal(tmp_path / "a", "no address")


def test_endless_file_is_refused(server, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SIZE_LIMIT", 100_000)
    assert "longer than" in refusal(tmp_path / "a", f"{server.url}/good")


def test_folder_that_is_a_file(server, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="--data-file"):
        download(tmp_path / "file" / "a", f"{server.url}/good", MD5)


def test_control_c_leaves_nothing(server, tmp_path, monkeypatch):
    def interrupt(self, received_bytes):
        assert list(tmp_path.glob("*.part"))
        raise KeyboardInterrupt

    monkeypatch.setattr(module._Progress, "advance", interrupt)
    with pytest.raises(KeyboardInterrupt):
        download(tmp_path / "a", f"{server.url}/good", MD5)
    assert os.listdir(tmp_path) == []


def test_two_at_once_fetch_once(server, tmp_path, monkeypatch):
    # The download (0.8 s) outlasts the stale time, so only the heartbeat keeps the lock.
    monkeypatch.setattr(module, "STALE_SECONDS", 0.4)
    monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 0.05)
    with ThreadPoolExecutor(3) as pool:
        runs = [pool.submit(download, tmp_path / "a", f"{server.url}/slow", MD5) for _ in range(3)]
        assert [run.result(timeout=10) for run in runs] == [tmp_path / "a"] * 3
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert server.paths == ["/slow"] and os.listdir(tmp_path) == ["a"]


def test_waiter_takes_over_from_a_failed_owner(server, tmp_path):
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(download, tmp_path / "a", f"{server.url}/stalled", MD5, 0.5)
        while not server.paths:
            time.sleep(0.01)
        second = pool.submit(download, tmp_path / "a", f"{server.url}/good", MD5)
        with pytest.raises(RunError):
            first.result(timeout=10)
        assert second.result(timeout=10).read_bytes() == CONTENT
    assert os.listdir(tmp_path) == ["a"]


def test_lock_and_temporary_file_of_a_killed_owner(server, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "STALE_SECONDS", 0.3)
    (tmp_path / "a.lock").write_text("dead")
    old, new = tmp_path / "a.0.part", tmp_path / "a.1.part"
    old.touch()
    new.touch()  # may belong to someone alive
    os.utime(old, (0, 0))
    started = time.monotonic()
    download(tmp_path / "a", f"{server.url}/good", MD5)
    assert time.monotonic() - started > 0.3
    assert sorted(os.listdir(tmp_path)) == ["a", "a.1.part"]


def test_stolen_lock_is_left_to_its_new_owner(tmp_path):
    with module._lock(tmp_path / "a"):
        (tmp_path / "a.lock").write_text("another")
    assert (tmp_path / "a.lock").read_text() == "another"
