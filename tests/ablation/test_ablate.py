"""A whole small study, stopped and gone on with."""

import csv
import json
import signal
import subprocess
import sys
import time

import pytest

from paddle_cifar import cli
from paddle_cifar.ablation import ablate as ablate_module
from tests.conftest import ROOT, SMALL_RUN

ROWS = ["crop, flip, cutout", "crop, flip, rotation"]
STUDY = ["ablate", *SMALL_RUN, "--study", "augment", "--epochs", "10", "--tta", "mirror", "--only"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send these signals to a process")
def test_a_study_that_is_stopped_goes_on_where_it_was(tmp_path, capfd):
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "main.py"), *STUDY, ROWS[1], "--to", "study", "--keep-weights"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    first = tmp_path / "study/crop-flip-rotation-s0"
    deadline = time.monotonic() + 60
    while not (first / "history.csv").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 130 and "go on with the same command" in error and "Traceback" not in error
    assert not (first / "result.json").exists() and list(first.glob("checkpoints/0*.safetensors"))

    assert cli.main([*STUDY, ROWS[1], "--to", "study", "--keep-weights"]) == 0
    printed = capfd.readouterr().out
    assert "resuming study/crop-flip-rotation-s0" in printed and "saved in study" in printed
    with open(tmp_path / "study/table.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    with open(first / "history.csv", newline="") as file:
        last = list(csv.DictReader(file))[-1]
    assert row["configuration"] == "crop, flip, rotation" and last["epoch"] == "10"
    assert float(row["accuracy"]) == pytest.approx(float(last["val_acc_top1"]), abs=1e-5)
    assert float(row["top5_error"]) == pytest.approx(1 - float(last["val_acc_top5"]), abs=1e-5)
    assert float(row["top1_error"]) == pytest.approx(1 - float(row["accuracy"]))
    assert 0 < float(row["mAP"]) <= 1 and row["accuracy_tta"] and row["parameters"] == "69656"
    assert json.loads((first / "measures.json").read_text())["split"] == "val"
    assert list(first.glob("checkpoints/*")), "--keep-weights"


def test_finished_runs_are_measured_once_and_failed_ones_are_left_out(tmp_path, capfd, monkeypatch):
    trained = []
    real = ablate_module.train_in_child

    def train(settings):
        trained.append(settings["name"])
        return 1 if "cutout" in settings["name"] else real(settings)

    monkeypatch.setattr(ablate_module, "train_in_child", train)
    assert cli.main([*STUDY, *ROWS, "--epochs", "1", "--to", "study"]) == 1
    error = capfd.readouterr().err
    assert "1 of 2 runs have failed" in error and "crop-flip-cutout-s0" in error.splitlines()[-1]
    folder = tmp_path / "study/crop-flip-rotation-s0"
    assert not list(folder.glob("checkpoints/*")) and not (folder / "final.pdparams").exists()
    assert len((tmp_path / "study/table.csv").read_text().splitlines()) == 2
    table = (tmp_path / "study/table.md").read_text()
    assert cli.main([*STUDY, *ROWS, "--epochs", "1", "--to", "study"]) == 1
    # Rows keep the study's order, whatever that of --only.
    assert trained == ["crop-flip-rotation-s0", "crop-flip-cutout-s0", "crop-flip-cutout-s0"]
    assert (tmp_path / "study/table.md").read_text() == table, "the figures outlive the weights"
    capfd.readouterr()
    assert cli.main([*STUDY, *ROWS, "--epochs", "1", "--to", "study", "--tta", "shifts"]) == 1
    assert "its weights are gone" in capfd.readouterr().err
    cells = [
        line.split("|")
        for line in (tmp_path / "study/table.md").read_text().splitlines()
        if "rotation" in line
    ]
    before = [line.split("|") for line in table.splitlines() if "rotation" in line]
    assert len(cells) == 1 and cells != before, "no figure of other views than asked for"
    assert set(cells[0]) <= {*before[0], " – "}, "and no row lost for it"


def test_a_stopped_child_stops_the_study(capsys, monkeypatch):
    monkeypatch.setattr(ablate_module, "train_in_child", lambda settings: 143)
    assert cli.main([*STUDY, *ROWS, "--to", "study"]) == 143
    assert "go on with the same command" in capsys.readouterr().err
