"""Packing a run into one small file, and using it where no run is named."""

import dataclasses
import json
import re

import numpy as np
import pytest
from PIL import Image

from paddle_cifar import Classifier, checkpoint
from paddle_cifar.cli import main
from paddle_cifar.data.load import load_datasets
from paddle_cifar.errors import RunError
from paddle_cifar.evaluation import evaluate_trained
from paddle_cifar.prediction import pretrained
from paddle_cifar.prediction.pretrained import pack_run, read_packed
from paddle_cifar.runs import RunFolder
from tests.conftest import ROOT, SMALL_RUN


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run in somebody's home, with averaged weights: they must be what is packed."""
    output = tmp_path_factory.mktemp("outputs")
    assert main([*SMALL_RUN, "--ema-decay", "0.9", "--name", "run", "--output", str(output)]) == 0
    result = json.loads((output / "run/result.json").read_text())
    command = {"command": "python main.py --output /home/me/runs"}
    (output / "run/result.json").write_text(json.dumps({**result, **command}))
    return output / "run"


@pytest.fixture
def packed(run, tmp_path, monkeypatch, capsys):
    """The run packed, in the place of the package's own file."""
    file = tmp_path / "cifar100.safetensors"
    assert main(["pack", "--run", str(run), "--to", str(file)]) == 0
    monkeypatch.setattr(pretrained, "PACKAGED", file)
    capsys.readouterr()
    return file


def test_weights_are_the_runs_rounded_to_half(run, packed):
    state = checkpoint.evaluated(checkpoint.load_newest(RunFolder(run).saved()))
    stored = checkpoint.load(packed).tensors
    names = [name for name in state.tensors if name.startswith("network.")]
    assert sorted(stored) == sorted(names), "no optimizer, no second copy of the average"
    for name in names:
        original = state.tensors[name]
        if original.ndim >= 2:
            assert stored[name].dtype == np.float16
            np.testing.assert_allclose(stored[name].astype(np.float64), original, rtol=2**-11, atol=2**-25)
        else:
            assert np.array_equal(stored[name], original) and stored[name].dtype == original.dtype
    assert packed.stat().st_size < 2 * sum(value.size for value in stored.values()) + 20_000


def test_the_file_says_what_it_is(run, packed):
    facts = checkpoint.load(packed).progress
    assert facts["config"]["model"] == "lenet" and facts["config"]["epochs"] == facts["epochs"] == 3
    assert facts["config"]["output"] == "outputs" and facts["config"]["name"] == ""
    assert str(run.parent) not in json.dumps(facts), "no folder of this machine"
    assert facts["command"] == "python main.py --output runs"
    evaluation = facts["evaluation"]
    assert len(evaluation["data_sha256"]) == 64 and evaluation["images"] == 100
    result = json.loads((run / "result.json").read_text())
    assert evaluation["acc_top1"] == pytest.approx(result["acc_top1"], abs=0.03)
    assert evaluation["loss"] == pytest.approx(result["loss"], abs=0.01)
    assert evaluation["data_sha256"] == result["data_sha256"]


def test_evaluate_without_a_run_gives_the_scores_in_the_file(packed, capsys):
    evaluation = checkpoint.load(packed).progress["evaluation"]
    assert main(["evaluate"]) == 0
    out = capsys.readouterr().out
    assert f"100 test images of synthetic: acc_top1 {evaluation['acc_top1']:.4f}" in out
    assert f"loss {evaluation['loss']:.4f}" in out and "saved" not in out
    assert main(["evaluate", "--logits"]) == 2
    assert "--run" in capsys.readouterr().err


def test_predict_without_a_run(packed, tmp_path, capsys):
    test_set = load_datasets("synthetic", synthetic_size=500)[1]
    Image.fromarray(test_set.images[0].transpose(1, 2, 0)).save(tmp_path / "a.png")
    assert main(["predict", "a.png", "--json"]) == 0
    label = json.loads(capsys.readouterr().out)[0]["predictions"][0]["label"]
    assert label == Classifier.pretrained().logits(test_set.images[:1]).argmax()


def test_the_packaged_file_is_what_the_readme_says():
    packed, config = read_packed(pretrained.PACKAGED)
    scores = re.search(
        r"top-1 ([\d.]+) %, top-5 ([\d.]+) %, superclass ([\d.]+) %", (ROOT / "README.md").read_text("utf-8")
    )
    evaluation = packed.progress["evaluation"]
    for name, said in zip(("acc_top1", "acc_top5", "acc_coarse"), scores.groups(), strict=True):
        assert 100 * evaluation[name] == pytest.approx(float(said), abs=0.051), name
    assert evaluation["dataset"] == "cifar100" and evaluation["images"] == 10_000
    assert evaluation["acc_top1"] >= 0.7 and pretrained.PACKAGED.stat().st_size <= 6e6
    assert config.model in (ROOT / "README.md").read_text("utf-8")
    network = Classifier.pretrained(engine="paddle", precision="float32")
    assert np.isfinite(network.logits(np.zeros((2, 3, 32, 32), np.uint8))).all()


@pytest.mark.slow
@pytest.mark.real_data
def test_the_packaged_file_scores_what_it_says(real_archive):
    said = read_packed(pretrained.PACKAGED)[0].progress["evaluation"]
    found = pretrained.evaluate_pretrained({"data_file": real_archive})
    for name in ("acc_top1", "acc_top5", "acc_coarse"):
        assert found[name] == pytest.approx(said[name], abs=2e-3), name


@pytest.mark.slow
@pytest.mark.real_data
def test_predict_agrees_with_evaluate_on_200_test_images(real_archive, tmp_path, capsys):
    _, test_set = load_datasets("cifar100", real_archive)
    for number, image in enumerate(test_set.images[:200]):
        Image.fromarray(image.transpose(1, 2, 0)).save(tmp_path / f"{number:03d}.png")
    trained, config = pretrained.load_pretrained(
        {"data_file": real_archive, "batch_size": 200, "tta": "none"}
    )
    logits = evaluate_trained(trained, dataclasses.replace(config, limit_steps=1))[2]
    capsys.readouterr()
    assert main(["predict", str(tmp_path), "--json", "--top", "1"]) == 0
    answers = np.array([each["predictions"][0]["label"] for each in json.loads(capsys.readouterr().out)])
    first, second = np.sort(logits, axis=1)[:, :-3:-1].T
    clear = first - second > 0.05  # else other batches, other kernels, and bf16 may turn it round
    assert clear.sum() >= 190 and np.array_equal(answers[clear], logits.argmax(axis=1)[clear])


def test_as_long_as_no_file_is_packaged_it_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pretrained, "PACKAGED", tmp_path / "weights" / "cifar100.safetensors")
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    for command in (["evaluate"], ["predict", "a.png"], ["export"]):
        assert main(command) == 1
        error = capsys.readouterr().err
        assert "no pretrained weights" in error and "--run" in error and error.count("\n") == 1


def test_a_network_that_is_too_large_is_refused(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pretrained, "MAX_BYTES", 150_000)
    (tmp_path / "there.safetensors").write_bytes(b"earlier")
    assert main(["pack", "--run", str(run), "--to", "there.safetensors"]) == 1
    assert "smaller network" in capsys.readouterr().err
    assert (tmp_path / "there.safetensors").read_bytes() == b"earlier"


def test_weights_beyond_half_precision_are_refused(run, tmp_path, monkeypatch):
    real = pretrained.best_or_last

    def huge(*arguments):
        state, which = real(*arguments)
        name = max(state.tensors, key=lambda each: each.startswith("network.") * state.tensors[each].ndim)
        return checkpoint.Checkpoint(
            {**state.tensors, f"ema.{name[8:]}": state.tensors[name] * 0 + 1e5}, state.progress
        ), which

    monkeypatch.setattr(pretrained, "best_or_last", huge)
    with pytest.raises(RunError, match="do not fit into float16"):
        pack_run(run, tmp_path / "a.safetensors", {})
    assert not (tmp_path / "a.safetensors").exists()


def test_damaged_and_other_files(run, packed, tmp_path):
    data = bytearray(packed.read_bytes())
    data[-9] ^= 1
    (tmp_path / "flipped.safetensors").write_bytes(data)
    (tmp_path / "cut.safetensors").write_bytes(data[:1000])
    (tmp_path / "empty.safetensors").touch()
    for name in ("flipped", "cut", "empty"):
        with pytest.raises(RunError, match=rf"{name}\.safetensors is damaged"):
            read_packed(tmp_path / f"{name}.safetensors")
    with pytest.raises(RunError, match="holds no pretrained weights"):
        read_packed(RunFolder(run).saved()[0])


def test_bad_usage(run, tmp_path, capsys):
    for arguments, code, says in (
        (["--run", str(tmp_path), "--to", "a.safetensors"], 1, "config.json"),
        (["--run", str(run), "--to", "missing/a.safetensors"], 1, "no folder missing"),
        (["--run", str(run), "--to", "a.bin"], 2, ".safetensors"),
        (["--run", str(run)], 2, "--to"),
    ):
        assert main(["pack", *arguments]) == code
        error = capsys.readouterr().err
        assert says in error and error.count("\n") == 1
