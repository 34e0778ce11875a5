"""The web page: what it answers, what it refuses, and what it leaves behind. The page needs Gradio."""

import asyncio
import http.server
import os
import re
import socket
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import page_load
from paddle_cifar import Classifier
from paddle_cifar.cli import main
from paddle_cifar.data.labels import FINE_NAMES
from paddle_cifar.data.synthetic import make_synthetic
from paddle_cifar.demo.folder import remove_old, temporary_folder
from paddle_cifar.demo.limits import LimitedBody
from paddle_cifar.demo.page import answer
from paddle_cifar.demo.pictures import EXAMPLES, SHOWN, draw_examples
from paddle_cifar.demo.server import MOST_BYTES, check_port
from paddle_cifar.demo.words import WORDS
from paddle_cifar.errors import RunError, UsageError
from paddle_cifar.prediction.images import read_image
from paddle_cifar.report import LANGUAGES
from tests.conftest import ROOT


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
    for language in LANGUAGES:
        gone = answer(classifier, str(tmp_path / "removed.png"), language)
        assert gone == (None, WORDS[language]["gone"], None, None)


def test_every_refusal_is_said_in_the_pages_language(tmp_path):
    for name, data in page_load.bad_files().items():
        (tmp_path / name).write_bytes(data)
        (english, chinese) = (answer(None, str(tmp_path / name), language)[1] for language in LANGUAGES)
        assert "cannot be used: it " in english and not re.search("[一-鿿]", english)
        assert WORDS["zh"]["refused"] in chinese and not re.search("[a-z]{3}", chinese), chinese


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
    assert 'pip install "gradio>=6,<7"' in error and error.count("\n") == 1


def test_the_page_answers_uploads(run, photo, served):
    succeeded, data = served.look({"path": served.upload(photo.read_bytes())})
    guesses = Classifier.from_run(run).predict(photo)[0]
    assert succeeded and data[0]["label"] == guesses[0].name.replace("_", " ")
    assert [round(each["confidence"], 5) for each in data[0]["confidences"]] == [
        round(guess.probability, 5) for guess in guesses
    ]
    assert data[2]["path"] and data[3]["path"]
    for bad in (b"", b"<html>", photo.read_bytes()[:200]):
        succeeded, data = served.look({"path": served.upload(bad)})
        assert succeeded and "cannot be used" in data[1] and data[2] is None


def test_addresses_and_files_of_the_server_are_refused(served):
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
            succeeded, data = served.look(file)
            assert not succeeded or data[2] is None
        elsewhere.shutdown()
    assert asked == []
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(f"http://127.0.0.1:{served.port}/gradio_api/file={ROOT / 'README.md'}")
    assert error.value.code == 403


def test_a_file_that_is_too_large_is_refused(served):
    with pytest.raises(urllib.error.HTTPError) as error:
        served.upload(b"\0" * (34 * 2**20))
    assert error.value.code == 413


def test_a_request_that_is_too_large_is_refused_whatever_is_in_it(served):
    """A field is no file, so that Gradio would keep all of it in memory."""
    edge = "edge"
    head = f'--{edge}\r\nContent-Disposition: form-data; name="files"\r\n\r\n'.encode()
    body = head + b"\0" * (100 * 2**20) + f"\r\n--{edge}--\r\n".encode()
    content = {"Content-Type": f"multipart/form-data; boundary={edge}"}
    before = served.megabytes()
    for data in (body, iter([body[:MOST_BYTES], body[MOST_BYTES:]])):  # the second without its length
        request = urllib.request.Request(served.address("upload"), data, content)
        with pytest.raises((urllib.error.URLError, ConnectionError)):
            urllib.request.urlopen(request, timeout=60)
    assert served.megabytes() - before < 150


def test_a_body_is_counted_as_it_comes():
    """In parts, and with no length given: what follows after the last part that fits is a hang-up."""

    def received(most, *parts):
        messages = iter([{"type": "http.request", "body": part} for part in parts])
        seen, sent = [], []

        async def receive():
            return next(messages)

        async def send(message):
            sent.append(message.get("status"))

        async def app(scope, receive, send):
            for _ in parts:
                seen.append((await receive())["type"])

        scope = {"type": "http", "headers": [(b"content-length", b"11")] if len(parts) == 1 else []}
        asyncio.run(LimitedBody(app, most)(scope, receive, send))
        return seen, sent

    assert received(10, b"12345", b"12345", b"1") == (["http.request"] * 2 + ["http.disconnect"], [])
    assert received(10, b"12345678901") == ([], [413, None])
    assert received(11, b"12345678901") == (["http.request"], [])


def test_old_files_are_removed_and_what_was_there_at_the_start_is_kept(tmp_path):
    for name in ("examples/a.png", "b/upload.png", "broken-off", "new.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
        if name != "new.png":
            os.utime(tmp_path / name, (time.time() - 700, time.time() - 700))
    remove_old(tmp_path, {tmp_path / "examples/a.png"})
    left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert left == ["examples/a.png", "new.png"]


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be removed there")
def test_the_files_of_a_page_that_was_killed_are_removed_by_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")
    with temporary_folder() as running:
        killed = tmp_path / "paddle-cifar-demo-killed"
        killed.mkdir()
        for name in (".lock", "upload.png"):
            (killed / name).touch()
        with temporary_folder() as second:
            assert sorted(tmp_path.iterdir()) == sorted([running, second])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs Linux")
def test_it_listens_on_this_machine_alone(served):
    lines = Path("/proc/net/tcp").read_text().splitlines()
    listening = [line.split()[1] for line in lines if line.split()[3] == "0A"]
    assert f"0100007F:{served.port:04X}" in listening and f"00000000:{served.port:04X}" not in listening


def test_under_load_and_then_no_file_behind(served):
    """Bad files among the good ones; the whole of it, 2,000 requests, is benchmarks/page_load.py."""
    answers = {}
    tally = page_load.send(served, 60, 8, answers)
    assert tally.failures == []
    assert (tally.answered, tally.refused) == (39, 21), "one of the good ones had to give way to a large one"
    assert set(answers) == set(page_load.good_files())
    assert served.files(), "there was something to remove"
    began = time.monotonic()
    assert served.stop() == 130 and time.monotonic() - began < 20
    assert list(served.folder.iterdir()) == []


class Stub:
    """Says the same of every file."""

    def __init__(self, *shown):
        self.shown = list(shown)

    def upload(self, data, name):
        return name

    def look(self, file, session):
        return True, self.shown


def test_the_load_test_notices_wrong_answers():
    """Negative control: a page that refuses everything, and one that answers everything alike."""
    tally = page_load.send(Stub(None, "This file cannot be used", None, None), 30, 2, {})
    assert (tally.answered, tally.refused, len(tally.failures)) == (0, 10, 20)
    bars = {"confidences": ["cat"]}
    tally = page_load.send(Stub(bars, "", {}, {}), 30, 2, {"small.png": ["dog"]})
    assert (tally.answered, tally.refused, len(tally.failures)) == (16, 0, 14)


def test_examples_are_the_stand_ins_own_pictures(tmp_path, run):
    paths = draw_examples(tmp_path / "examples")
    assert [path.stem for path in paths] == list(EXAMPLES) and set(EXAMPLES) <= set(FINE_NAMES)
    test = make_synthetic(100, 100).test
    for path in paths:
        seen = np.asarray(Image.open(path))[::8, ::8].transpose(2, 0, 1)
        (same,) = np.flatnonzero((test.images == seen).all(axis=(1, 2, 3)))
        assert test.filenames[same].startswith(f"synthetic_test_{path.stem}_")
        # What the network is shown of it is nearly that: enlarging and shrinking blurs a little.
        assert np.abs(read_image(path).image.astype(float) - seen).mean() < 6
