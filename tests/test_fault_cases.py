"""The table of fault cases against the tests there are, and the cases that no other file tests."""

import ast
import dataclasses
import re
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from paddle_cifar import checkpoint, environment
from paddle_cifar.cli import main
from paddle_cifar.config import TrainConfig
from paddle_cifar.models import build_network
from paddle_cifar.optim import CrossEntropy
from tests.conftest import ROOT, SMALL_RUN
from tests.data.archives import good_members, packed, with_train
from tests.data.test_unpickle import hostile_pickles
from tests.prediction.test_images import png_header

# ------------------------------------------------------------------ the table


@cache
def functions(path: Path) -> set[str]:
    """The test functions of a file, those in classes too."""
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}


def test_every_case_names_tests_that_exist():
    lines = (ROOT / "tests" / "fault_cases.md").read_text(encoding="utf-8").splitlines()
    rows = [line.strip("|").split("|") for line in lines if re.match(r"\| \d", line)]
    assert [int(row[0]) for row in rows] == list(range(1, 33))
    for number, *_, tests in rows:
        named = re.findall(r"`([^`]+)::(\w+)`", tests)
        assert named and len(named) == tests.count("::"), number
        for file, name in named:
            assert name.startswith("test_") and name in functions(ROOT / "tests" / file), (number, file, name)


# ------------------------------------------------------------------ data: cases 1 to 9


def spoilt_archives(folder: Path) -> dict[str, tuple[Path, str]]:
    """Archives that must not be trained on, and a part of what is said of them."""
    members, whole = good_members(), packed(folder / "whole.tar.gz", good_members())
    train = "cifar-100-python/train"
    for name, content in (("empty", b""), ("page", b"<html>"), ("cut", whole.read_bytes()[:9000])):
        (folder / name).write_bytes(content)
    without = {name: data for name, data in members.items() if name != train}
    evil = members | {train: hostile_pickles(str(folder / "ran"))["os.system"]}
    return {
        "missing": (folder / "none", "does not exist"),
        "a directory": (folder, "is a directory"),
        "empty": (folder / "empty", "corrupt"),
        "a page": (folder / "page", "corrupt"),
        "cut off": (folder / "cut", "corrupt"),
        "without train": (packed(folder / "1.tar.gz", without), f"{train} is missing"),
        "hostile": (packed(folder / "2.tar.gz", evil), "os.system"),
        "twice": (packed(folder / "3.tar.gz", [*members.items(), (train, members[train])]), "twice"),
        "pixels": (with_train(folder / "4.tar.gz", data=np.zeros((12, 3071), np.uint8)), "uint8 (N, 3072)"),
        "labels": (with_train(folder / "5.tar.gz", fine_labels=[0] * 11 + [100]), "fine_labels[11]"),
        "count": (with_train(folder / "6.tar.gz", fine_labels=[0] * 11), "12 images but 11"),
    }


@pytest.mark.parametrize("command", [["--recipe", "quick", "--name", "a"], ["stats"]], ids=["train", "stats"])
def test_a_bad_archive_stops_every_command_before_it_trains(tmp_path, capsys, command):
    for path, says in spoilt_archives(tmp_path).values():
        assert main([*command, "--data-file", str(path)]) == 1
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and says in error and str(path) in error
        assert not any(tmp_path.glob("outputs/*")) and not (tmp_path / "ran").exists()


def test_an_archive_without_meta_is_used_with_a_warning(tmp_path, capsys):
    members = {name: data for name, data in good_members().items() if not name.endswith("meta")}
    assert main(["stats", "--data-file", str(packed(tmp_path / "a.tar.gz", members))]) == 0
    captured = capsys.readouterr()
    assert captured.err.startswith("warning: ") and "built-in class names" in captured.err
    assert "12 training images" in captured.out


# ------------------------------------------------------------------ runs: cases 17 and 18


def test_there_are_no_loader_workers(capsys):
    """If there are one day, fault case 17 needs a test of its own."""
    assert not [field.name for field in dataclasses.fields(TrainConfig) if "worker" in field.name]
    for path in (ROOT / "paddle_cifar").rglob("*.py"):
        assert not re.search(
            r"multiprocessing|num_workers|\bDataLoader\(", path.read_text(encoding="utf-8")
        ), path
    assert main(["--num-workers", "-1"]) == 2
    assert "--num-workers" in capsys.readouterr().err


def test_a_loss_that_is_not_finite_leaves_the_best_checkpoint_alone(tmp_path, monkeypatch, capsys):
    real, steps, best = CrossEntropy.forward, iter(range(1000)), tmp_path / "a/checkpoints/best.safetensors"
    kept = []

    def poisoned(self, logits, label):
        if next(steps) < 8:  # two epochs of two steps, each with an evaluation of two batches
            return real(self, logits, label)
        kept.append(best.read_bytes())
        return real(self, logits, label) * float("nan")

    monkeypatch.setattr(CrossEntropy, "forward", poisoned)
    flags = "--val-split 100 --limit-steps 2 --name a".split()
    assert main([*SMALL_RUN, *flags, "--output", str(tmp_path)]) == 1
    assert "nan at epoch 3, step 1" in capsys.readouterr().err
    assert kept == [best.read_bytes()]


# ------------------------------------------------------------------ use and machine: cases 28 to 32


def untrained(folder: Path) -> Path:
    """The folder of a run that predicts: a network as it begins."""
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "config.json").write_text(TrainConfig(model="lenet", engine="paddle").to_json())
    weights = {
        f"network.{name}": value.numpy() for name, value in build_network("lenet").state_dict().items()
    }
    checkpoint.save(
        checkpoint.Checkpoint(weights, {"epochs": 0}), folder / "checkpoints/00000000.safetensors"
    )
    return folder


def test_predict_ends_with_1_after_a_picture_that_cannot_be_used(tmp_path, capsys):
    run = str(untrained(tmp_path / "run"))
    good, frames = Image.new("RGB", (40, 40), "red"), [Image.new("RGB", (40, 40), "blue")]
    good.save(tmp_path / "two.gif", save_all=True, append_images=frames)
    good.save(tmp_path / "good.png")
    for name, content, says in (
        ("text.png", b"not a picture", "not a picture"),
        ("empty.png", b"", "empty"),
        ("cut.png", (tmp_path / "good.png").read_bytes()[:60], "damaged or cut off"),
        ("bomb.png", png_header(60000, 60000), "too many pixels"),
    ):
        (tmp_path / name).write_bytes(content)
        assert main(["predict", name, "--run", run]) == 1
        error = capsys.readouterr().err
        assert f"error: {name}" in error and says in error
    assert main(["predict", "two.gif", "good.png", "--run", run]) == 0
    assert "notice: two.gif has several frames" in capsys.readouterr().err


def test_a_gpu_that_is_absent_ends_the_command_with_1(tmp_path, capsys, monkeypatch):
    paddle = environment.import_paddle()
    monkeypatch.setattr(paddle.device.cuda, "device_count", lambda: 0)
    assert main([*SMALL_RUN, "--device", "gpu", "--name", "a", "--output", str(tmp_path / "runs")]) == 1
    error = capsys.readouterr().err
    assert "--device gpu" in error and error.count("\n") == 1 and not any((tmp_path / "runs").iterdir())


@pytest.mark.parametrize(
    "failure", [MemoryError(), RuntimeError("ResourceExhaustedError:\n\nOut of memory error on GPU 0.")]
)
def test_too_little_memory_ends_with_1_and_a_smaller_batch(tmp_path, capsys, monkeypatch, failure):
    def forward(self, logits, label):
        raise failure

    monkeypatch.setattr(CrossEntropy, "forward", forward)
    assert main([*SMALL_RUN, "--name", "a", "--output", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert "out of memory" in error and "--batch-size below 64" in error and error.count("\n") == 1


def test_without_visualdl_its_command_is_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "visualdl", None)
    assert main([*SMALL_RUN, "--name", "a", "--output", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert "pip install visualdl" in error and error.count("\n") == 1
