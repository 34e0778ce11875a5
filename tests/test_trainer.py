"""Whole runs on the stand-in, through the command line."""

import csv
import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from paddle_cifar import checkpoint
from paddle_cifar.cli import main
from tests.conftest import ROOT, SMALL_RUN

RESULT_KEYS = set(
    """acc_top1 acc_top5 acc_coarse loss epochs seconds images_per_second params dataset data_sha256 seed
    engine precision versions machine command""".split()
)


def read_result(folder):
    return json.loads((folder / "result.json").read_text())


def read_history(folder):
    with open(folder / "history.csv", newline="") as file:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run, shared by the tests that only look at it."""
    output = tmp_path_factory.mktemp("outputs")
    assert main([*SMALL_RUN, "--epochs", "12", "--output", str(output), "--name", "run"]) == 0
    return output / "run"


def test_the_files_of_a_run(run):
    assert {p.name for p in run.iterdir()} == {
        "config.json", "history.csv", "result.json", "checkpoints", "vdl", "final.pdparams", "final.pdopt",
    }  # fmt: skip
    # 500 images in batches of 64, the last one left out: 7 steps an epoch; the newest two are kept.
    assert sorted(p.stem for p in (run / "checkpoints").iterdir()) == ["00000077", "00000084"]
    result = read_result(run)
    assert set(result) >= RESULT_KEYS
    assert result["dataset"] == "synthetic" and result["engine"] == "paddle" and result["epochs"] == 12
    assert 0 < result["acc_top1"] <= result["acc_top5"] <= 1 and result["params"] == 69_656
    history = read_history(run)
    assert [row["epoch"] for row in history] == list(range(1, 13))
    assert result["acc_top1"] == pytest.approx(history[-1]["test_acc_top1"], abs=1e-6)
    assert result["loss"] == pytest.approx(history[-1]["test_loss"], abs=1e-4)
    assert result["seconds"] > sum(row["seconds"] for row in history)


def test_it_learns(run):
    history = read_history(run)
    assert history[-1]["train_loss"] < history[0]["train_loss"] - 0.5
    assert history[-1]["train_acc_coarse"] > 3 * 0.05  # chance is a twentieth


def test_evaluate_reproduces_the_result_and_keeps_logits(run, capsys):
    assert main(["evaluate", "--run", str(run), "--logits"]) == 0
    evaluation, result = json.loads((run / "evaluation.json").read_text()), read_result(run)
    for key in ("acc_top1", "acc_top5", "acc_coarse", "loss", "data_sha256"):
        assert evaluation[key] == result[key], key
    stored = np.load(run / "logits.npz")
    assert stored["logits"].shape == (100, 100) and evaluation["images"] == 100
    assert (stored["logits"].argmax(1) == stored["labels"]).mean() == pytest.approx(result["acc_top1"])
    assert "100 test images of synthetic" in capsys.readouterr().out


def test_evaluate_needs_a_run(tmp_path, capsys):
    assert main(["evaluate", "--run", str(tmp_path / "none")]) == 1
    assert "no run at" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main(["evaluate", "--run", str(tmp_path / "empty")]) == 1
    assert "config.json" in capsys.readouterr().err


def test_paddle_itself_can_load_the_saved_weights(run):
    import paddle

    from paddle_cifar.models import build_network

    network = build_network("lenet")
    paddle.Model(network).load(str(run / "final"))
    tensors = tensors_of(run)
    for name, value in network.state_dict().items():
        assert np.array_equal(value.numpy(), tensors["network." + name])


def test_a_run_folder_is_never_overwritten(run, capsys):
    before = (run / "result.json").read_text()
    assert main([*SMALL_RUN, "--output", str(run.parent), "--name", "run"]) == 1
    assert "--resume" in capsys.readouterr().err and (run / "result.json").read_text() == before


def test_resuming_a_finished_run_does_nothing(run, capsys):
    before = (run / "result.json").read_text()
    assert main(["--resume", str(run)]) == 0
    assert "finished already" in capsys.readouterr().out and (run / "result.json").read_text() == before


def test_visualdl_has_the_curves(run):
    from visualdl import LogReader

    reader = LogReader(file_path=str(run / "vdl" / "vdlrecords.run.log"))
    tags = reader.get_tags()
    expected = """loss/train loss/test accuracy/train_top1 accuracy/test_top1 step/lr step/loss
        step/last_layer_gradient_norm speed/images_per_second"""
    assert set(expected.split()) <= set(tags["scalar"])
    assert tags["image"] == ["input/augmented"] and tags["hyper_parameters"] == ["hparam"]
    assert "weights/fc.0.weight" in tags["histogram"]
    points = reader.get_data("scalar", "accuracy/test_top1")
    assert [p.id for p in points] == list(range(1, 13))
    assert [p.value for p in points] == pytest.approx(
        [r["test_acc_top1"] for r in read_history(run)], abs=1e-6
    )


def start(output, name, *arguments):
    return subprocess.Popen(
        [
            sys.executable,
            str(ROOT / "main.py"),
            *SMALL_RUN,
            *arguments,
            "--output",
            str(output),
            "--name",
            name,
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(path, process, seconds=60):
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.01)


def tensors_of(run):
    return checkpoint.load_newest(run / "checkpoints").tensors


def test_a_killed_run_that_is_resumed_equals_an_uninterrupted_one(tmp_path):
    """With batch norms, momentum and a moving rate; kill -9 comes at any moment after the first epoch."""
    arguments = "--model wrn_10_1 --epochs 4 --lr 0.05 --batch-size 32 --limit-steps 4 --log-freq 1".split()
    assert main([*SMALL_RUN, *arguments, "--output", str(tmp_path), "--name", "whole"]) == 0
    process = start(tmp_path, "killed", *arguments)
    wait_for(tmp_path / "killed" / "history.csv", process)
    process.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    process.wait()
    assert not (tmp_path / "killed" / "result.json").exists()
    assert main(["--resume", "--output", str(tmp_path)]) == 0  # finds the newest unfinished one

    whole, resumed = tensors_of(tmp_path / "whole"), tensors_of(tmp_path / "killed")
    assert whole.keys() == resumed.keys() and any(name.startswith("optimizer.") for name in whole)
    for name in whole:
        assert np.array_equal(whole[name], resumed[name]), name
    timings = {"seconds", "images_per_second"}
    for expected, row in zip(
        read_history(tmp_path / "whole"), read_history(tmp_path / "killed"), strict=True
    ):
        assert {k: v for k, v in row.items() if k not in timings} == {
            k: v for k, v in expected.items() if k not in timings
        }

    from visualdl import LogReader

    reader = LogReader(file_path=str(tmp_path / "killed" / "vdl" / "vdlrecords.run.log"))
    assert [p.id for p in reader.get_data("scalar", "loss/train")] == [1, 2, 3, 4], "one continuous curve"
    steps = [p.id for p in reader.get_data("scalar", "step/loss")]
    assert steps == sorted(set(steps)), "no step twice"


def test_resume_refuses_other_settings_and_other_networks(tmp_path, capsys):
    process = start(tmp_path, "half", "--epochs", "200")
    wait_for(tmp_path / "half" / "history.csv", process)
    process.kill()
    process.wait()
    half = str(tmp_path / "half")
    assert main(["--resume", half, "--lr", "0.5"]) == 1
    assert "--lr was 0.02, now 0.5" in capsys.readouterr().err
    assert main(["--resume", half, "--model", "resnet18"]) == 1
    assert "--model was lenet, now resnet18" in capsys.readouterr().err
    assert main(["--resume", str(tmp_path / "nothing")]) == 1
    assert "config.json" in capsys.readouterr().err


def test_ctrl_c_leaves_with_130_and_says_how_to_go_on(tmp_path):
    process = start(tmp_path, "run", "--epochs", "200")
    wait_for(tmp_path / "run" / "history.csv", process)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 130 and "--resume" in error and "Traceback" not in error
    checkpoint.load_newest(tmp_path / "run" / "checkpoints")


def test_a_loss_that_is_not_finite_stops_and_saves_nothing(tmp_path, capsys):
    arguments = ["--lr", "1e30", "--val-split", "100", "--output", str(tmp_path), "--name", "nan"]
    assert main([*SMALL_RUN, *arguments]) == 1
    error = capsys.readouterr().err
    assert "epoch 1, step" in error and "--lr" in error and error.count("\n") == 1
    assert [p.name for p in (tmp_path / "nan" / "checkpoints").iterdir()] == ["00000000.safetensors"]


def test_a_validation_split_chooses_the_epoch_and_stops_early(tmp_path, capsys):
    arguments = "--val-split 100 --patience 1 --epochs 30 --schedule constant --lr 0.1".split()
    assert main([*SMALL_RUN, *arguments, "--output", str(tmp_path), "--name", "val"]) == 0
    folder = tmp_path / "val"
    history, result = read_history(folder), read_result(folder)
    accuracies = [row["val_acc_top1"] for row in history]
    assert "test_acc_top1" not in history[0], "the test images are not looked at before the end"
    assert len(history) < 30 and result["epochs"] == len(history) and result["checkpoint"] == "best"
    best = checkpoint.load(folder / "checkpoints" / "best.safetensors")
    assert best.progress["epochs"] == accuracies.index(max(accuracies)) + 1
    assert main(["evaluate", "--run", str(folder)]) == 0
    assert json.loads((folder / "evaluation.json").read_text())["acc_top1"] == result["acc_top1"]


def test_limit_steps_ends_epochs_and_evaluation(tmp_path, capsys):
    arguments = ["--limit-steps", "2", "--epochs", "2", "--output", str(tmp_path), "--name", "trial"]
    assert main([*SMALL_RUN, *arguments]) == 0
    assert capsys.readouterr().out.count("step 2/2") == 2


def test_the_same_seed_gives_the_same_network_and_another_seed_another(tmp_path):
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        arguments = ["--seed", seed, "--epochs", "1", "--output", str(tmp_path), "--name", name]
        assert main([*SMALL_RUN, *arguments]) == 0
    a, b, c = (tensors_of(tmp_path / name) for name in "abc")
    assert all(np.array_equal(a[key], b[key]) for key in a)
    assert not all(np.array_equal(a[key], c[key]) for key in a)


@pytest.mark.real_data
def test_a_little_training_on_the_real_images(tmp_path, real_archive, monkeypatch):
    monkeypatch.setenv("CIFAR100_FILE", real_archive)
    arguments = "--recipe quick --epochs 1 --limit-steps 120 --schedule constant --lr 0.002".split()
    assert main([*arguments, "--output", str(tmp_path), "--name", "real"]) == 0
    result = read_result(tmp_path / "real")
    assert (
        result["dataset"] == "cifar100" and result["acc_top1"] > 0.03 and result["loss"] < 4.3
    )  # chance: 0.01, 4.6


def test_training_starts_soon(tmp_path):
    """From the command to the first epoch, on the stand-in; generous, since test machines are busy."""
    began = time.monotonic()
    process = start(tmp_path, "run", "--epochs", "200")
    wait_for(tmp_path / "run" / "vdl", process)
    seconds = time.monotonic() - began
    process.kill()
    process.wait()
    assert seconds < 8
