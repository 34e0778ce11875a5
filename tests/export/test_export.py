"""Exported files, run by what servers run them with, against the network itself."""

import sys
from types import ModuleType

import numpy as np
import paddle
import pytest

from paddle_cifar import Classifier
from paddle_cifar.cli import main
from paddle_cifar.config import EXPORT_FORMATS
from paddle_cifar.data.labels import FINE_NAMES
from paddle_cifar.errors import RunError, UsageError
from paddle_cifar.export import export as export_module
from paddle_cifar.export import serving
from paddle_cifar.export.export import disagreement, export
from paddle_cifar.export.serving import RUNNERS, WRITERS, logits_of
from tests.conftest import SMALL_RUN

PADDLE_3 = not paddle.__version__.startswith("2.")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """With norms, whose statistics must be exported as they are in evaluation."""
    output = tmp_path_factory.mktemp("outputs")
    flags = "--model wrn_10_1 --epochs 1 --batch-size 16 --engine auto".split()
    assert main([*SMALL_RUN, *flags, "--name", "run", "--output", str(output)]) == 0
    return output / "run"


@pytest.fixture(scope="module")
def classifier(run):
    return Classifier.from_run(run, engine="paddle", precision="float32")


def test_the_formats_of_the_flag_can_all_be_written_and_run():
    assert set(EXPORT_FORMATS) == set(WRITERS) == set(RUNNERS)


@pytest.mark.parametrize("format", EXPORT_FORMATS)
def test_the_exported_files_give_the_networks_logits(run, classifier, tmp_path, capfd, format):
    if format == "onnx":
        pytest.importorskip("paddle2onnx")
        pytest.importorskip("onnxruntime")
    assert main(["export", "--run", str(run), "--format", format, "--to", "served"]) == 0
    out = capfd.readouterr().out
    assert "saved in served" in out and "checked" in out
    program = "model.json" if PADDLE_3 else "model.pdmodel"
    expected = {"model.onnx"} if format == "onnx" else {program, "model.pdiparams"}
    assert {path.name for path in (tmp_path / "served").iterdir()} == {*expected, "labels.txt"}
    assert (tmp_path / "served" / "labels.txt").read_text().split("\n") == [*FINE_NAMES, ""]
    chance = np.random.default_rng(0)
    batches = [chance.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8) for count in (1, 3, 12, 2)]
    for images, logits in zip(batches, logits_of(format, tmp_path / "served", batches, 2), strict=True):
        count = len(images)
        assert logits.shape == (count, 100) and logits.dtype == np.float32
        np.testing.assert_allclose(logits, classifier.logits(images), atol=1e-4)


def test_without_to_it_stands_in_the_runs_folder(run):
    assert main(["export", "--run", str(run)]) == 0
    assert (run / "export-paddle" / "model.pdiparams").stat().st_size > 1000


def test_a_model_that_disagrees_is_not_kept(classifier, tmp_path, monkeypatch):
    """Negative control: constants that differ a little, as in peers that normalise otherwise."""
    monkeypatch.setattr(serving, "CIFAR100_MEAN", (0.5, 0.5, 0.5))
    with pytest.raises(RunError, match="differ"):
        export(classifier, "paddle", tmp_path / "served")
    assert not list((tmp_path / "served").iterdir())


def test_logits_that_are_not_finite_do_not_pass(classifier, tmp_path, monkeypatch):
    monkeypatch.setattr(
        export_module, "logits_of", lambda *_: [np.full((count, 100), np.nan) for count in (1, 7)]
    )
    with pytest.raises(RunError, match="differ"):
        disagreement(classifier, "paddle", tmp_path)


def test_files_that_cannot_be_run_are_one_line(tmp_path):
    with pytest.raises(RunError, match="the paddle model cannot be run: "):
        logits_of("paddle", tmp_path, [np.zeros((1, 3, 32, 32), np.uint8)], 1)


def test_a_missing_package_is_named_with_its_command(run, monkeypatch, capsys, tmp_path):
    if not PADDLE_3:
        pytest.skip("paddle2onnx needs Paddle 3")
    for missing in ("paddle2onnx", "onnxruntime"):
        with monkeypatch.context() as without:
            for package in ("paddle2onnx", "onnxruntime"):  # perhaps neither is installed here
                without.setitem(sys.modules, package, None if package == missing else ModuleType(package))
            assert main(["export", "--run", str(run), "--format", "onnx", "--to", "served"]) == 1
        error = capsys.readouterr().err
        assert f"cannot import {missing} " in error and "pip install paddle2onnx onnxruntime" in error
        assert error.count("\n") == 1
    assert not list((tmp_path / "served").iterdir())


def test_the_program_of_another_paddle_does_not_stay_beside_new_weights(classifier, tmp_path):
    served = tmp_path / "served"
    served.mkdir()
    for name in ("model.json", "model.pdmodel", "mine.txt"):
        (served / name).write_text("old")
    files = export(classifier, "paddle", served).files
    assert {path.name for path in served.iterdir()} == {*(file.name for file in files), "mine.txt"}
    assert len([file for file in files if file.name in serving.PROGRAMS]) == 1


def test_onnx_on_paddle_2_points_to_the_other_format(classifier, monkeypatch, tmp_path):
    monkeypatch.setattr(paddle, "__version__", "2.6.2")
    with pytest.raises(RunError, match="--format paddle"):
        export(classifier, "onnx", tmp_path / "served")


def test_bad_usage(run, classifier, capsys, tmp_path):
    (tmp_path / "file").touch()
    for arguments, code, says in (
        (["--format", "onx"], 2, "did you mean onnx"),
        (["--run", "none"], 1, "no run at none"),
        (["--run", str(run), "--to", "file"], 1, "--to"),
        (["--run", str(run), "--to", "file/below"], 1, "--to"),
    ):
        assert main(["export", *arguments]) == code
        error = capsys.readouterr().err
        assert says in error and error.count("\n") == 1
    with pytest.raises(UsageError, match="format"):
        export(classifier, "tflite", tmp_path)
