import json
import shutil

import numpy as np
import pytest

from paddle_cifar import checkpoint
from paddle_cifar.cli import main
from paddle_cifar.runs import RunFolder


@pytest.fixture
def run(trained, tmp_path):
    """A copy of the trained run, to be spoilt."""
    shutil.copytree(trained / "outputs/first", tmp_path / "run")
    return tmp_path / "run"


def spoil(run, change):
    """Replace the tensors of the last checkpoint."""
    for path in RunFolder(run).saved():
        state = checkpoint.load(path)
        checkpoint.save(checkpoint.Checkpoint(change(state.tensors), state.progress), path)


def not_finite(tensors):
    (bias,) = [name for name in tensors if name.startswith("network.") and tensors[name].shape == (100,)]
    return {**tensors, bias: np.full_like(tensors[bias], np.nan)}


def ten_classes(tensors):
    return {
        name: np.ascontiguousarray(value[..., :10]) if value.shape[-1:] == (100,) else value
        for name, value in tensors.items()
    }


@pytest.mark.parametrize("command", [["report", "--run"], ["compare", "--runs"]])
@pytest.mark.parametrize(
    ("spoiled", "says"),
    [
        (lambda run: shutil.rmtree(run), "no run at"),
        (lambda run: (run / "config.json").unlink(), "is not the config of a run"),
        (lambda run: spoil(run, not_finite), "images are not finite"),
        (lambda run: spoil(run, ten_classes), "another network or class count"),
        (lambda run: (run / "history.csv").write_text("epoch,lr\n1,fast\n"), "history.csv cannot be read"),
        (lambda run: (run / "result.json").write_text("{"), "result.json cannot be read"),
    ],
)
def test_one_clear_line(run, capsys, monkeypatch, command, spoiled, says):
    monkeypatch.chdir(run.parent)
    spoiled(run)
    assert main([*command, "run"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and error.startswith("error: ") and says in error, error
    assert not (run / "report.html").exists() and not (run.parent / "comparison").exists()


def test_a_run_without_weights(run, capsys):
    """It cannot be reported, but its result can be compared; with neither it cannot."""
    shutil.rmtree(run / "checkpoints")
    assert main(["report", "--run", str(run)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "no usable checkpoint" in error
    assert main(["compare", "--runs", str(run)]) == 0
    table = (run.parent / "comparison/table.csv").read_text().splitlines()
    row = dict(zip(table[0].split(","), table[1].split(","), strict=True))
    result = json.loads((run / "result.json").read_text())
    assert float(row["accuracy"]) == pytest.approx(result["acc_top1"]) and row["mAP"] == ""
    assert "no weights here" in capsys.readouterr().out
    (run / "result.json").unlink()
    assert main(["compare", "--runs", str(run)]) == 1
    assert "neither weights nor a result" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("report", "--run"),
        ("report --run run --lang de", "unknown language 'de'"),
        ("report --run run --epochs 3", "--epochs"),
        ("compare --runs", "--runs"),
        ("compare --runs run run", "given twice"),
    ],
)
def test_wrong_command_lines(run, capsys, monkeypatch, arguments, says):
    monkeypatch.chdir(run.parent)
    assert main(arguments.split()) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and says in error
