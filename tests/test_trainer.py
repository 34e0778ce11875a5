"""Whole runs on the stand-in, through the command line."""

import csv
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import paddle
import pytest

from paddle_cifar import checkpoint
from paddle_cifar.assembly import build_loaders
from paddle_cifar.callbacks import SkipNonFiniteLoss
from paddle_cifar.callbacks.checkpoints import best_epoch
from paddle_cifar.cli import main
from paddle_cifar.config import TrainConfig
from paddle_cifar.data.load import load_datasets
from paddle_cifar.runs import RunFolder
from tests.conftest import ROOT, SMALL_RUN, stop_a_run

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
    files = ".lock config.json history.csv result.json checkpoints vdl final.pdparams final.pdopt"
    assert {p.name for p in run.iterdir()} == set(files.split())
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
    assert result["test_images"] == 100 and result["limit_steps"] == 0
    assert history[-1]["lr"] > 0, "the rate of the epoch's last step, not of a step that never comes"


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
    for age, name in enumerate(["newest", *"bcdef"]):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
        os.utime(tmp_path / name / "config.json", (1000 - age, 1000 - age))
    assert main(["evaluate", "--run", str(tmp_path / "none")]) == 1
    assert f"the runs in {tmp_path}: newest, b, c, d and 2 more" in capsys.readouterr().err
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
    assert main(["--resume", str(run), "--epochs", "99", "--allow-changes"]) == 1
    assert "finished its 12 epochs" in capsys.readouterr().err


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
    return checkpoint.load_newest(RunFolder(run).saved()).tensors


@pytest.mark.parametrize("model", ["wrn_10_1", "stochastic_depth_resnet18"])
def test_a_killed_run_that_is_resumed_equals_an_uninterrupted_one(tmp_path, model):
    """With batch norms, random depth, momentum, a moving rate, a validation split; killed within an epoch."""
    arguments = f"--model {model} --epochs 2 --lr 0.05 --batch-size 8 --limit-steps 5 --log-freq 1"
    arguments = [*arguments.split(), "--val-split", "100", "--save-steps", "3"]
    if model != "wrn_10_1":
        arguments += ["--stem", "imagenet"]
    assert main([*SMALL_RUN, *arguments, "--output", str(tmp_path), "--name", "whole"]) == 0
    process = start(tmp_path, "killed", *arguments)
    killed = RunFolder(tmp_path / "killed")
    wait_for(killed.checkpoints / "00000006.safetensors", process)
    process.kill()
    process.wait()
    assert not killed.result.exists()
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
    assert read_result(tmp_path / "killed")["acc_top1"] == read_result(tmp_path / "whole")["acc_top1"]
    assert "--name killed" in read_result(tmp_path / "killed")["command"], "the command that began the run"

    from visualdl import LogReader

    reader = LogReader(file_path=str(tmp_path / "killed" / "vdl" / "vdlrecords.run.log"))
    assert [p.id for p in reader.get_data("scalar", "loss/train")] == [1, 2], "one continuous curve"
    assert [p.id for p in reader.get_data("scalar", "step/loss")] == list(range(10)), "no step lost or twice"


def test_a_stop_within_an_evaluation_keeps_the_training(tmp_path, monkeypatch):
    """The evaluation is repeated when the run goes on; the result is that of an undisturbed run."""
    arguments = [*SMALL_RUN, "--output", str(tmp_path)]
    assert main([*arguments, "--name", "whole"]) == 0
    with monkeypatch.context() as patch:
        stop_a_run(patch, "on_eval_batch_begin", lambda history: history.epoch == 1)
        assert main([*arguments, "--name", "stopped"]) == 143
    assert main(["--resume", str(tmp_path / "stopped")]) == 0
    whole, stopped = tensors_of(tmp_path / "whole"), tensors_of(tmp_path / "stopped")
    assert all(np.array_equal(whole[name], stopped[name]) for name in whole)
    figures = ("train_loss", "train_acc_top1", "test_loss", "lr")
    for expected, row in zip(
        read_history(tmp_path / "whole"), read_history(tmp_path / "stopped"), strict=True
    ):
        assert [row[f] for f in figures] == [expected[f] for f in figures]


def test_a_damaged_checkpoint_is_passed_over_and_all_damaged_is_an_error(tmp_path, capsys):
    process = start(tmp_path, "half", "--epochs", "200")
    half = RunFolder(tmp_path / "half")
    wait_for(half.checkpoints / "00000014.safetensors", process)
    process.kill()
    process.wait()
    newest, before = half.saved()[:2]
    data = bytearray(newest.read_bytes())
    data[-100] ^= 1  # a single bit of a weight
    newest.write_bytes(data)
    assert checkpoint.load_newest(half.saved()).progress == checkpoint.load(before).progress
    assert "SHA-256" in capsys.readouterr().err
    for older in half.saved()[1:]:  # three, if it was killed before the oldest made room
        older.write_bytes(b"")
    assert main(["--resume", str(half.path)]) == 1
    assert "no usable checkpoint" in capsys.readouterr().err


def test_resume_on_other_data_is_refused(tmp_path, capsys):
    process = start(tmp_path, "half", "--epochs", "200")
    wait_for(tmp_path / "half" / "history.csv", process)
    process.kill()
    process.wait()
    arguments = ["--resume", str(tmp_path / "half"), "--synthetic-size", "600", "--allow-changes"]
    assert main(arguments) == 1
    assert "the run began on data with SHA-256" in capsys.readouterr().err


def test_a_run_is_trained_by_one_process_at_a_time(tmp_path, capsys):
    process = start(tmp_path, "busy", "--epochs", "500")
    wait_for(tmp_path / "busy" / "history.csv", process)
    assert main(["--resume", str(tmp_path / "busy")]) == 1
    assert "another process" in capsys.readouterr().err
    process.kill()
    process.wait()


def test_a_run_that_stopped_early_stays_stopped(tmp_path):
    arguments = "--val-split 100 --patience 1 --epochs 30 --schedule constant --lr 0.1".split()
    assert main([*SMALL_RUN, *arguments, "--output", str(tmp_path), "--name", "val"]) == 0
    epochs = read_result(tmp_path / "val")["epochs"]
    (tmp_path / "val" / "result.json").unlink()  # killed in the final evaluation
    assert main(["--resume", str(tmp_path / "val")]) == 0
    assert read_result(tmp_path / "val")["epochs"] == epochs < 30


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


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send these signals to a process")
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_saves_and_leaves_and_says_how_to_go_on(tmp_path, name, code):
    process = start(tmp_path, "run", "--epochs", "200")
    wait_for(tmp_path / "run" / "history.csv", process)
    process.send_signal(getattr(signal, name))
    _, error = process.communicate(timeout=30)
    assert process.returncode == code and "Traceback" not in error and "C++" not in error
    assert f"python main.py --resume {tmp_path / 'run'}" in error
    tensors_of(tmp_path / "run")


def test_a_loss_that_is_not_finite_stops_and_saves_nothing(tmp_path, capsys):
    arguments = ["--lr", "1e30", "--val-split", "100", "--output", str(tmp_path), "--name", "nan"]
    assert main([*SMALL_RUN, *arguments]) == 1
    error = capsys.readouterr().err
    assert "epoch 1, step" in error and "--lr" in error and error.count("\n") == 1
    assert [p.name for p in (tmp_path / "nan" / "checkpoints").iterdir()] == ["00000000.safetensors"]


def test_a_network_ruined_by_the_last_step_of_an_epoch_is_not_saved(tmp_path, capsys):
    """The training loss is computed before the update, so only the evaluation shows it."""
    arguments = "--lr 1e30 --limit-steps 1 --epochs 1".split()
    assert main([*SMALL_RUN, *arguments, "--output", str(tmp_path), "--name", "nan"]) == 1
    assert "evaluation after epoch 1" in capsys.readouterr().err
    assert [p.stem for p in RunFolder(tmp_path / "nan").saved()] == ["00000000"]
    assert not (tmp_path / "nan" / "result.json").exists()


@pytest.mark.parametrize("poisoned_step", [4, 6])  # the sixth completes the epoch's figures
def test_a_step_that_is_not_finite_can_be_left_out(tmp_path, capsys, monkeypatch, poisoned_step):
    """One poisoned loss: with skip neither weights nor norm statistics nor the mean loss see it."""
    from paddle_cifar.optim import CrossEntropy

    real, calls = CrossEntropy.forward, iter(range(10_000))

    def poisoned(self, logits, label):
        return real(self, logits, label) * (float("nan") if next(calls) == poisoned_step - 1 else 1)

    monkeypatch.setattr(CrossEntropy, "forward", poisoned)
    arguments = ["--model", "wrn_10_1", "--limit-steps", "6", "--batch-size", "16", "--epochs", "1"]
    assert main([*SMALL_RUN, *arguments, "--output", str(tmp_path), "--name", "a", "--on-nan", "skip"]) == 0
    assert f"step {poisoned_step}: step left out" in capsys.readouterr().out
    assert all(np.isfinite(tensor).all() for tensor in tensors_of(tmp_path / "a").values())
    assert np.isfinite(read_history(tmp_path / "a")[0]["train_loss"])


@pytest.mark.parametrize(("finite", "code"), [((), 1), ((15,), 0)])
def test_too_many_steps_left_out_in_a_row_end_the_run(tmp_path, capsys, monkeypatch, finite, code):
    from paddle_cifar.optim import CrossEntropy

    real, calls = CrossEntropy.forward, iter(range(10_000))

    def poisoned(self, logits, label):
        call = next(calls)
        return real(self, logits, label) * (1 if call in finite or call >= 30 else float("nan"))

    monkeypatch.setattr(CrossEntropy, "forward", poisoned)
    flags = f"--batch-size 8 --limit-steps 30 --epochs 1 --on-nan skip --name a --output {tmp_path}"
    assert main([*SMALL_RUN, *flags.split()]) == code
    assert ("epoch 1, step 21;" in capsys.readouterr().err) == bool(code)


def test_the_loss_scaler_gets_its_pair_whether_a_step_is_made_or_left_out():
    """``GradScaler.minimize`` takes the result of ``optimizer.minimize`` apart."""
    model = SimpleNamespace(_optimizer=SimpleNamespace(minimize=lambda loss: ("operators", "gradients")))
    guard = SkipNonFiniteLoss(history=None)
    guard.set_model(model)
    guard.on_train_begin()
    assert model._optimizer.minimize(paddle.to_tensor(1.0)) == ("operators", "gradients")
    assert model._optimizer.minimize(paddle.to_tensor(float("inf"))) == (None, None)


def test_the_best_epoch_is_one_of_those_with_the_largest_images():
    rows = [{"val_acc_top1": accuracy} for accuracy in (0.3, 0.6, 0.6, 0.4, 0.5, 0.5)]
    assert best_epoch(rows, [16, 16, 16, 32, 32, 32]) == 5
    assert best_epoch(rows[:3], [16, 16, 16]) == 2
    assert best_epoch(rows, [32] * 6) == 2


def test_patience_waits_for_images_of_full_size(tmp_path):
    """The rate is too small to learn anything: without that, the run would end after its second epoch."""
    flags = "--model wrn_10_1 --val-split 100 --patience 1 --epochs 12 --sizes 8:0.5,32:0.5 --limit-steps 1"
    flags += f" --schedule constant --lr 1e-30 --batch-size 8 --name a --output {tmp_path}"
    assert main([*SMALL_RUN, *flags.split()]) == 0
    progress = checkpoint.load(tmp_path / "a" / "checkpoints" / "best.safetensors").progress
    assert read_result(tmp_path / "a")["epochs"] < 12 and progress["epochs"] >= 7


def test_nan_weights_are_never_saved_even_where_the_loss_is_finite(tmp_path, capsys, monkeypatch):
    """ReLU turns NaN into 0, so images of NaN ruin the first layers while the loss looks well."""
    from paddle_cifar.data import loader

    real, batches = loader.normalise, iter(range(10_000))
    monkeypatch.setattr(loader, "normalise", lambda x: real(x) * (float("nan") if next(batches) == 3 else 1))
    assert main([*SMALL_RUN, "--output", str(tmp_path), "--name", "a", "--epochs", "1"]) == 1
    assert "no longer finite" in capsys.readouterr().err
    assert [p.stem for p in RunFolder(tmp_path / "a").saved()] == ["00000000"]


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
    out = capsys.readouterr().out
    assert out.count("step 2/2") == 2 and "engine paddle, float32" in out


def test_a_curve_of_some_test_images_ends_in_a_result_of_all(tmp_path):
    arguments = ["--synthetic-size", "1500", "--curve-images", "75", "--epochs", "3"]
    for name in ("some", "all"):
        place = ["--output", str(tmp_path), "--name", name]
        assert main([*SMALL_RUN, *arguments[: 4 if name == "some" else 2], *arguments[4:], *place]) == 0
    some, everything = (read_result(tmp_path / name) for name in ("some", "all"))
    assert some["test_images"] == 300
    assert {key: some[key] for key in ("acc_top1", "loss")} == pytest.approx(
        {key: everything[key] for key in ("acc_top1", "loss")}, abs=1e-6
    )
    curves = [[row["test_acc_top1"] for row in read_history(tmp_path / name)] for name in ("some", "all")]
    assert curves[0] != curves[1]
    assert all(round(value * 75, 3).is_integer() for value in curves[0])


def test_train_loss_is_plain_whatever_is_smoothed(tmp_path):
    """A loss that is comparable with the test loss; at a rate at which nothing is learnt."""
    losses = []
    for smoothing in ("0", "0.3"):
        arguments = ["--lr", "1e-30", "--epochs", "1", "--label-smoothing", smoothing, "--name", smoothing]
        assert main([*SMALL_RUN, *arguments, "--output", str(tmp_path)]) == 0
        losses.append(read_history(tmp_path / smoothing)[0]["train_loss"])
    assert losses[0] == losses[1]


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


def test_curve_is_measured_on_images_as_small_as_those_trained_on():
    train_set, test_set = load_datasets("synthetic", synthetic_size=500)
    config = TrainConfig(dataset="synthetic", epochs=4, sizes="16:0.5,32:0.5", batch_size=100)
    train_loader, eval_loader, test_loader = build_loaders(config, train_set, test_set)
    eval_loader.set_epoch(1)
    assert next(iter(eval_loader))[0].shape == (100, 3, 16, 16)
    eval_loader.set_epoch(2)
    assert next(iter(eval_loader))[0].shape == (100, 3, 32, 32)
    assert [train_loader.side(epoch) for epoch in range(4)] == [16, 16, 32, 32]
    assert next(iter(test_loader))[0].shape == (100, 3, 32, 32)


@pytest.mark.parametrize(("wanted", "kept"), [(0, 300), (100, 100), (70, 75), (300, 300), (9999, 300)])
def test_the_curve_is_of_about_as_many_images_as_asked_for(wanted, kept):
    """They lie evenly among all, whose order might be that of their classes."""
    train_set, test_set = load_datasets("synthetic", synthetic_size=1500)
    config = TrainConfig(dataset="synthetic", curve_images=wanted)
    eval_loader = build_loaders(config, train_set, test_set)[1]
    assert len(eval_loader.images) == kept
    np.testing.assert_array_equal(eval_loader.labels, test_set.fine_labels[:: 300 // kept])
    held_out = dataclasses.replace(config, val_split=200)
    assert len(build_loaders(held_out, train_set, test_set)[1].images) == 200
