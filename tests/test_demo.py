"""The web page: what it answers, what it refuses, and what it leaves behind. The page needs Gradio."""

import http.server
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from paddle_cifar import Classifier
from paddle_cifar.cli import main
from paddle_cifar.demo import check_port
from paddle_cifar.demo_page import SHOWN, answer
from paddle_cifar.demo_words import WORDS
from paddle_cifar.errors import RunError, UsageError
from paddle_cifar.report import LANGUAGES
from tests.conftest import ROOT, SMALL_RUN


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    output = tmp_path_factory.mktemp("outputs")
    assert main([*SMALL_RUN, "--epochs", "1", "--name", "run", "--output", str(output)]) == 0
    return output / "run"


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    path = tmp_path_factory.mktemp("photos") / "photo.png"
    pixels = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_both_languages_have_every_word():
    assert set(WORDS) == set(LANGUAGES)
    assert WORDS["en"].keys() == WORDS["zh"].keys() and all(WORDS["zh"].values())


def test_answer(run, photo, tmp_path):
    classifier = Classifier.from_run(run)
    shares, remark, small, where = answer(classifier, str(photo), "en")
    guesses = classifier.predict(photo)[0]
    assert (
        shares == {guess.name.replace("_", " "): guess.probability for guess in guesses} and len(shares) == 5
    )
    assert guesses[0].superclass.replace("_", " ") in remark
    assert small.shape == where.shape == (SHOWN, SHOWN, 3) and small.dtype == where.dtype == np.uint8
    assert answer(classifier, None, "zh") == (None, "", None, None)
    (tmp_path / "cat.png").write_text("<html>")
    nothing, remark, *pictures = answer(classifier, str(tmp_path / "cat.png"), "en")
    assert nothing is None and pictures == [None, None]
    assert "not a picture" in remark and str(tmp_path) not in remark, "no folder of the server is shown"


def test_a_port_in_use_or_out_of_range(run, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(RunError, match="--port"):
            check_port("127.0.0.1", port)
        assert main(["demo", "--run", str(run), "--port", str(port)]) == 1
    error = capsys.readouterr().err
    assert str(port) in error and "--port" in error and error.count("\n") == 1
    for port in (0, -1, 70000):
        with pytest.raises(UsageError, match="--port"):
            check_port("127.0.0.1", port)
    with pytest.raises(RunError, match="nowhere"):
        check_port("nowhere.invalid", free_port())
    assert main(["demo", "--run", str(run), "--lang", "fr"]) == 2


def test_without_gradio_its_command_is_named(run, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert main(["demo", "--run", str(run), "--port", str(free_port())]) == 1
    error = capsys.readouterr().err
    assert "pip install 'gradio" in error and error.count("\n") == 1


class Page:
    """The page in a process of its own, spoken to as its own script does."""

    def __init__(self, run, folder):
        self.port = free_port()
        self.folder = folder
        command = [sys.executable, str(ROOT / "main.py"), "demo", "--run", str(run), "--port", str(self.port)]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(folder)}
        )
        assert "open http://127.0.0.1" in self.process.stdout.readline()

    def post(self, path, body, content_type="application/json"):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/gradio_api/{path}", body, {"Content-Type": content_type}
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)

    def upload(self, data, name="a.png"):
        edge = uuid.uuid4().hex
        head = f'--{edge}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
        body = head.encode() + data + f"\r\n--{edge}--\r\n".encode()
        return self.post("upload", body, f"multipart/form-data; boundary={edge}")[0]

    def look(self, file, session=""):
        """What the page shows to a visitor: (succeeded, data)."""
        session = session or uuid.uuid4().hex
        payload = {"meta": {"_type": "gradio.FileData"}, **file}
        self.post(
            "queue/join",
            json.dumps({"data": [payload, "en"], "fn_index": 0, "session_hash": session}).encode(),
        )
        stream = f"http://127.0.0.1:{self.port}/gradio_api/queue/data?session_hash={session}"
        with urllib.request.urlopen(stream, timeout=60) as lines:
            for line in lines:
                if b'"process_completed"' in line:
                    message = json.loads(line.decode().removeprefix("data:"))
                    return message["success"], message["output"].get("data")
        raise AssertionError("no answer")


@pytest.fixture(scope="module")
def page(run, tmp_path_factory):
    if importlib.util.find_spec("gradio") is None:
        pytest.skip("Gradio is not installed")
    page = Page(run, tmp_path_factory.mktemp("temporary"))
    yield page
    page.process.kill()
    page.process.wait()


def test_the_page_answers_uploads(run, photo, page):
    succeeded, data = page.look({"path": page.upload(photo.read_bytes())})
    guesses = Classifier.from_run(run).predict(photo)[0]
    assert succeeded and data[0]["label"] == guesses[0].name.replace("_", " ")
    assert [round(each["confidence"], 5) for each in data[0]["confidences"]] == [
        round(guess.probability, 5) for guess in guesses
    ]
    assert data[2]["path"] and data[3]["path"]
    for bad in (b"", b"<html>", photo.read_bytes()[:200]):
        succeeded, data = page.look({"path": page.upload(bad)})
        assert succeeded and "cannot be used" in data[1] and data[2] is None


def test_addresses_and_files_of_the_server_are_refused(page):
    """No request leaves the server, and nothing is read that was not uploaded."""
    asked = []

    class Elsewhere(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *arguments):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Elsewhere) as elsewhere:
        threading.Thread(target=elsewhere.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{elsewhere.server_port}/a.png"
        for file in ({"path": address}, {"path": None, "url": address}, {"path": address, "url": address},
                     {"path": str(ROOT / "README.md")}, {"path": "/etc/passwd"}):  # fmt: skip
            succeeded, data = page.look(file)
            assert not succeeded or data[2] is None
        elsewhere.shutdown()
    assert asked == []
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(f"http://127.0.0.1:{page.port}/gradio_api/file={ROOT / 'README.md'}")
    assert error.value.code == 403


def test_a_file_that_is_too_large_is_refused(page):
    with pytest.raises(urllib.error.HTTPError) as error:
        page.upload(b"\0" * (34 * 2**20))
    assert error.value.code == 413


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs Linux")
def test_it_listens_on_this_machine_alone(page):
    lines = Path("/proc/net/tcp").read_text().splitlines()
    listening = [line.split()[1] for line in lines if line.split()[3] == "0A"]
    assert f"0100007F:{page.port:04X}" in listening and f"00000000:{page.port:04X}" not in listening


def test_eight_clients_and_then_no_file_behind(photo, page):
    good, failures, good_data = photo.read_bytes(), [], []

    def client():
        session = uuid.uuid4().hex
        for request in range(8):
            file = {"path": page.upload(b"<html>" if request % 4 == 3 else good)}
            succeeded, data = page.look(file, session)
            if not succeeded or (data[2] is None) != (request % 4 == 3):
                failures.append(data)
            elif data[2]:
                good_data.append(data[0]["label"])

    threads = [threading.Thread(target=client) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures and len(good_data) == 48 and len(set(good_data)) == 1
    assert any(page.folder.iterdir())
    page.process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    assert page.process.wait(timeout=30) == 143 and time.monotonic() - began < 20
    assert list(page.folder.iterdir()) == []
