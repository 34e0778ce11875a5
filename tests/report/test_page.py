import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest

from paddle_cifar.cli import main
from paddle_cifar.report.paths import without_folders
from paddle_cifar.report.record import read_record
from paddle_cifar.report.text import WORDS, Text
from paddle_cifar.runs import RunFolder
from tests.test_trainer import start, wait_for

VOID = {"meta", "link", "img", "br", "wbr", "input"}


class Structure(HTMLParser):
    """Checks that tags are closed in order, and collects ids."""

    def __init__(self):
        super().__init__()
        self.open, self.ids = [], []

    def handle_starttag(self, tag, attrs):
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, tag


@pytest.mark.parametrize(("run", "language"), [("first", "en"), ("second", "zh-CN")])
def test_the_page_is_one_sound_file_that_asks_for_nothing(reported, run, language):
    page = (reported / "outputs" / run / "report.html").read_text(encoding="utf-8")
    assert len(page.encode()) < 6e6 and f'<html lang="{language}">' in page
    structure = Structure()
    structure.feed(page)
    assert structure.open == [] and len(structure.ids) == len(set(structure.ids))
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)""", page.split("<script type")[0])
    assert "url(http" not in page and "@import" not in page and "fetch(" not in page
    assert str(reported) not in page and "home/" not in page, "paths of this machine"
    assert ("准确率" in page) == (language == "zh-CN")


def test_the_page_tells_what_the_run_found(reported):
    run = reported / "outputs/first"
    page = (run / "report.html").read_text(encoding="utf-8")
    result, report = (json.loads((run / name).read_text()) for name in ("result.json", "report.json"))
    scores = report["scores"]
    assert scores["accuracy"] == pytest.approx(result["acc_top1"], abs=1e-6)
    assert 1 - scores["top5_error"] == pytest.approx(result["acc_top5"], abs=1e-6)
    assert scores["coarse_accuracy"] == pytest.approx(result["acc_coarse"], abs=1e-6)
    assert scores["loss"] == pytest.approx(result["loss"], abs=1e-4)
    for name in ("accuracy", "top1_error", "top5_error", "mAP", "macro_f1", "ece"):
        assert f"<b>{100 * scores[name]:.2f} %</b>" in page, name
    assert page.count("<tr data-key=") == 120 and len(report["classes"]) == 100
    assert "synthetic_test_" in page, "file names of the images with the highest loss"
    assert "a drawn stand-in (not CIFAR-100)" in page
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL).group(1))
    assert len(data["curves"]) == 120
    assert sum(count for *_, count in data["confusion"]["fine"]["cells"]) == report["images"] == 100
    names = data["confusion"]["fine"]["names"]
    assert names[:5] == ["beaver", "dolphin", "otter", "seal", "whale"], "grouped by superclass"


def test_the_command_says_where_everything_is(reported):
    printed = (reported / "report.txt").read_text()
    assert "report: outputs/first/report.html" in printed
    assert "visualdl --logdir outputs --language en --disable-telemetry" in printed
    assert "warning" not in printed.lower()


def test_a_resumed_run_shows_one_continuous_curve(tmp_path):
    process = start(tmp_path, "killed", "--epochs", "3", "--save-steps", "2")
    wait_for(RunFolder(tmp_path / "killed").history, process)
    process.kill()
    process.wait()
    assert main(["--resume", "--output", str(tmp_path)]) == 0
    from paddle_cifar.report.figures import loss_figure

    record = read_record(tmp_path / "killed")
    figure = loss_figure(record, Text("en"))
    for line, split in zip(figure.axes[0].lines, ("train", "test"), strict=True):
        assert line.get_xdata().tolist() == [1, 2, 3]
        np.testing.assert_array_equal(line.get_ydata(), record.history[f"{split}_loss"])


def test_only_a_part_of_the_images_is_said_to_be_one(trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained / "outputs/first", run)
    (run / "result.json").unlink()
    (run / "history.csv").unlink()
    assert main(["report", "--run", str(run), "--limit-steps", "1"]) == 0
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "Only the first 64 of 100 test images" in page and "This run is not finished yet." in page
    assert json.loads((run / "report.json").read_text())["all_images"] is False
    assert "–" in page, "classes that have no images among them"


def test_every_word_is_there_in_both_languages():
    for key, (english, chinese) in WORDS.items():
        assert english and chinese, key
        gaps = [sorted(re.findall(r"{(\w+)", text)) for text in (english, chinese)]
        assert gaps[0] == gaps[1], key


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("python main.py --output /home/me/runs --lr=0.1", "python main.py --output runs --lr=0.1"),
        ("python main.py --data-file=C:\\x\\a.tar.gz", "python main.py --data-file=a.tar.gz"),
        ("python main.py --run ~/work/outputs/a", "python main.py --run a"),
        ("python main.py --output outputs/b --augment crop,flip", None),
        (
            "python main.py '--data-file=C:\\Users\\Jane Doe\\a.tar.gz'",
            "python main.py '--data-file=a.tar.gz'",
        ),
        ("python main.py --output '/home/Jane Doe/my runs'", "python main.py --output 'my runs'"),
        (
            "main.py --output=/home/me/runs --data-file=a/b.tar.gz 'x y'",
            "main.py --output=runs --data-file=a/b.tar.gz 'x y'",
        ),
    ],
)
def test_absolute_paths_are_not_told(command, shown):
    assert without_folders(command) == (shown or command)
