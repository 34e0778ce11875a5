"""Test-time augmentation and folds in whole runs."""

import csv
import json

import numpy as np
import paddle
import pytest

from paddle_cifar.assembly import build_loaders
from paddle_cifar.cli import main
from paddle_cifar.config import TrainConfig
from paddle_cifar.data.load import load_datasets
from paddle_cifar.data.loader import normalise
from paddle_cifar.data.split import split_fold
from paddle_cifar.runs import RunFolder
from paddle_cifar.trained import load_trained, used_here
from tests.conftest import SMALL_RUN


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on the second of five folds, with test-time augmentation."""
    output = tmp_path_factory.mktemp("outputs")
    flags = "--kfold 5 --fold 2 --tta --epochs 8 --name run".split()
    assert main([*SMALL_RUN, *flags, "--output", str(output)]) == 0
    return output / "run"


def read(run, name):
    return json.loads((run / name).read_text())


def test_a_fold_is_the_curve_and_chooses_nothing(run):
    with open(run / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert "val_acc_top1" in rows[0] and "test_acc_top1" not in rows[0], "the test images are seen once"
    result = read(run, "result.json")
    assert result["checkpoint"] == "last" and not RunFolder(run).best.exists()
    for name, value in result["val"].items():
        assert value == pytest.approx(float(rows[-1][f"val_{name}"]), rel=1e-5)


def test_the_loaders_of_a_fold_share_no_image():
    config = TrainConfig(kfold=5, fold=2, batch_size=50, augment="none", seed=4)
    train_set, test_set = load_datasets("synthetic", synthetic_size=500)
    train, held_out, test = build_loaders(config, train_set, test_set)
    kept, fold = split_fold(train_set.fine_labels, 5, 2, seed=4)
    assert np.array_equal(held_out.images, train_set.images[fold]) and len(fold) == 100
    assert np.array_equal(train.images, train_set.images[kept]) and len(kept) == 400
    assert np.array_equal(test.images, test_set.images)
    image, label = next(iter(held_out))
    assert np.array_equal(image, normalise(train_set.images[fold[:50]])), "in order, not augmented"
    assert np.array_equal(label, train_set.fine_labels[fold[:50]])


def test_views_are_reported_beside_the_single_view(run, capsys):
    result = read(run, "result.json")
    assert result["tta"]["views"] == "shifts"
    assert set(result["tta"]) == {"views", "acc_top1", "acc_top5", "acc_coarse", "loss"}
    assert result["tta"]["loss"] != result["loss"]
    assert main(["evaluate", "--run", str(run)]) == 0
    evaluation = read(run, "evaluation.json")
    assert evaluation["tta"] == result["tta"] and evaluation["acc_top1"] == result["acc_top1"]
    assert "mean of views (shifts)" in capsys.readouterr().out


def test_the_mirrors_scores_against_numpy(run):
    assert main(["evaluate", "--run", str(run), "--tta", "mirror", "--logits"]) == 0
    evaluation = read(run, "evaluation.json")
    config = TrainConfig.read(run / "config.json")
    network = load_trained(RunFolder(run), config).network
    network.eval()
    _, test_set = load_datasets("synthetic", synthetic_size=500)
    images = normalise(test_set.images)
    with paddle.no_grad():
        views = [network(paddle.to_tensor(view.copy())).numpy() for view in (images, images[..., ::-1])]
    logits = np.mean(np.stack(views).astype(np.float64), axis=0)
    labels = test_set.fine_labels
    log_sums = np.log(np.exp(logits).sum(axis=1))
    assert evaluation["tta"]["views"] == "mirror"
    assert evaluation["tta"]["loss"] == pytest.approx(
        (log_sums - logits[np.arange(100), labels]).mean(), abs=1e-4
    )
    assert evaluation["tta"]["acc_top1"] == pytest.approx((logits.argmax(axis=1) == labels).mean())
    stored = np.load(run / "logits.npz")["logits"]
    np.testing.assert_allclose(stored, views[0], atol=1e-4), "the single view's"


def test_without_it_nothing_is_said_of_views(run):
    assert main(["evaluate", "--run", str(run), "--tta", "none"]) == 0
    assert "tta" not in read(run, "evaluation.json")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--kfold 1", "--kfold"),
        ("--kfold -2", "--kfold"),
        ("--kfold 5 --fold 6", "--fold"),
        ("--kfold 5 --fold 0", "--fold"),
        ("--fold 2", "--fold"),
        ("--kfold 5 --val-split 50", "--val-split"),
        ("--kfold 5 --patience 2", "--val-split"),
        ("--kfold 501", "--kfold 501"),
        ("--tta mirrors", "did you mean mirror"),
    ],
)
def test_bad_usage(capsys, arguments, says):
    assert main([*SMALL_RUN, *arguments.split()]) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("trained", "asked", "used"),
    [
        ({"precision": "bf16", "engine": "onednn"}, {}, ("auto", "auto")),
        ({"precision": "fp16"}, {}, ("auto", "auto")),
        ({"precision": "float32", "engine": "paddle"}, {}, ("paddle", "float32")),
        ({"precision": "bf16"}, {"precision": "bf16", "engine": "onednn"}, ("onednn", "bf16")),
    ],
)
def test_a_network_is_used_with_what_this_machine_has(trained, asked, used):
    """Trained with bf16 on a GPU, it is evaluated and shown on laptops."""
    config = used_here(TrainConfig(**trained), {"limit_steps": 3, **asked})
    assert (config.engine, config.precision) == used and config.limit_steps == 3
