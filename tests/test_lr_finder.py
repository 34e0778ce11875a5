import csv
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import paddle
import pytest
from PIL import Image

from paddle_cifar import find_lr, lr_finder
from paddle_cifar.assembly import build_loaders, initial_network
from paddle_cifar.cli import main
from paddle_cifar.data.load import load_datasets
from paddle_cifar.errors import RunError
from paddle_cifar.lr_finder import judge
from paddle_cifar.metrics import build_metrics
from paddle_cifar.models import build_network
from paddle_cifar.recipes import recipe

CONFIG = replace(
    recipe("quick"), dataset="synthetic", synthetic_size=500, model="wrn_10_1", batch_size=16, engine="paddle"
)


@pytest.fixture(scope="module")
def data():
    return load_datasets("synthetic", synthetic_size=500)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_losses_are_those_of_training_by_hand_at_rising_rates(data, optimizer):
    """Plain Paddle, one optimizer a step at that step's rate."""
    config = replace(CONFIG, optimizer=optimizer, weight_decay=0.0, label_smoothing=0.0, grad_clip=0.0)
    found = find_lr(config, steps=12, start=1e-4, end=1e-1, data=data)
    np.testing.assert_allclose(found.rates, 10.0 ** np.linspace(-4, -1, 12), rtol=1e-12)

    loader, _, _ = build_loaders(config, *data)
    network = initial_network(config, loader)
    parameters = network.parameters()
    if optimizer == "sgd":
        by_hand = paddle.optimizer.Momentum(1.0, 0.9, parameters, use_nesterov=True)
    else:
        by_hand = paddle.optimizer.Adam(1.0, parameters=parameters)
    losses = []
    for (image, label), rate in zip(loader, found.rates, strict=False):
        by_hand.set_lr(float(rate))
        loss = paddle.nn.functional.cross_entropy(network(paddle.to_tensor(image)), paddle.to_tensor(label))
        loss.backward()
        by_hand.step()
        by_hand.clear_grad()
        losses.append(float(loss))
    np.testing.assert_allclose(found.losses, losses[: len(found.losses)], rtol=1e-4)
    assert len(found.losses) == 12


def test_nothing_given_changes(data):
    """Weights, buffers, optimizer, random state and the names of later parameters."""
    config = replace(CONFIG, model="lenet")
    network = build_network("wrn_10_1")
    optimizer = paddle.optimizer.Adam(0.01, parameters=network.parameters())
    model = paddle.Model(network)
    model.prepare(optimizer, paddle.nn.CrossEntropyLoss(), build_metrics())
    image = np.random.default_rng(0).normal(size=(4, 3, 32, 32)).astype(np.float32)
    model.train_batch([image], [np.arange(4)])

    def state():
        return [
            value.numpy().copy()
            for part in (network, optimizer)
            for value in part.state_dict().values()
            if isinstance(value, paddle.Tensor)
        ]

    before, images = state(), data[0].images.copy()
    paddle.seed(3)
    paddle.rand([2])
    expected, name = paddle.rand([5]).numpy(), paddle.utils.unique_name.generate("parameter")
    paddle.seed(3)
    paddle.rand([2])
    find_lr(config, steps=20, data=data)
    np.testing.assert_array_equal(paddle.rand([5]).numpy(), expected)
    after = paddle.utils.unique_name.generate("parameter")
    assert int(after.rsplit("_")[-1]) == int(name.rsplit("_")[-1]) + 1
    assert len(before) > 40 and all(map(np.array_equal, before, state()))
    assert np.array_equal(images, data[0].images)


def test_it_goes_on_over_several_epochs(data):
    assert len(find_lr(CONFIG, steps=40, end=1e-3, data=data).losses) == 40  # 31 batches an epoch


@pytest.mark.parametrize(
    ("losses", "kept"),
    [
        ([5, 4, 3, 2, 1, 1.5, 3.9, 4.1, 9, 9, 9, 9], 8),  # the first above four times 1 ends it
        ([5, 4, 3, 2, 1, 1, 1, 1, 1, 1, float("nan"), 1], 10),
        ([5, 4, 3, 2, 1, 1, 1, 1, 1, 1, 1, float("inf")], 11),
    ],
)
def test_it_ends_when_the_loss_explodes(data, monkeypatch, losses, kept):
    monkeypatch.setattr(lr_finder, "_losses", lambda *_: iter(losses))
    steps = []
    found = find_lr(CONFIG, steps=12, data=data, on_step=lambda step, rate, loss: steps.append((step, loss)))
    assert found.losses.tolist() == losses[:kept] == [loss for _, loss in steps]
    assert [step for step, _ in steps] == list(range(1, kept + 1)) and len(found.rates) == kept


def test_the_suggestions_of_a_curve_that_is_known():
    """Falls fastest at 10^-2.5, is lowest near 10^-1, and rises after that."""
    exponents = np.linspace(-5, 1, 301)
    noise = np.random.default_rng(0).normal(scale=0.01, size=301)
    losses = 4.6 - 2 / (1 + np.exp(-(exponents + 2.5) / 0.25)) + np.exp(4 * (exponents - 0.2))
    exact = exponents[losses.argmin()]
    found = judge(10**exponents, losses + noise)
    assert np.log10(found.steepest) == pytest.approx(-2.5, abs=0.15)
    assert np.log10(found.lowest) == pytest.approx(exact, abs=0.15)
    assert found.suggestion == pytest.approx(found.lowest / 10)


def test_how_far_the_last_loss_overshoots_changes_nothing():
    rates, falling = np.logspace(-5, 1, 100)[:80], np.linspace(4.6, 2.0, 79)
    lowest = [judge(rates, np.append(falling, last)).lowest for last in (8.1, 1e4, 1e30)]
    assert lowest == pytest.approx([lowest[0]] * 3)
    found = judge(rates[:12], np.append(falling[:66:6], 1e30))
    assert found.lowest == rates[8], "nor is it taken for no fall"


def test_a_range_that_ends_too_early_is_told(capsys, monkeypatch):
    known = judge(np.logspace(-4, -2, 30), np.linspace(5, 4, 30))
    monkeypatch.setattr(lr_finder, "find_lr", lambda *_, **__: known)
    for end, said in (("1e-2", True), ("1e-1", False)):
        assert main([*FLAGS, "--steps", "30", "--from", "1e-4", "--to", end]) == 0
        assert ("raise --to" in capsys.readouterr().err) == said


def test_smoothing_does_not_shift_the_curve():
    """A straight line stays one, a running mean would lag behind; only the ends see half a window."""
    found = judge(np.logspace(-4, 0, 100), np.linspace(5, 1, 100))
    np.testing.assert_allclose(found.smoothed[15:-15], found.losses[15:-15], atol=1e-4)


@pytest.mark.parametrize("losses", [np.linspace(1, 5, 50), np.full(50, 4.6), np.array([4.6])])
def test_a_loss_that_never_falls_suggests_nothing(losses):
    with pytest.raises(RunError, match="--from"):
        judge(np.logspace(-4, 0, len(losses)), losses)


FLAGS = (
    "find-lr --dataset synthetic --synthetic-size 500 --recipe quick --engine paddle --augment none".split()
)


def test_the_command_writes_curve_and_picture(tmp_path, capsys):
    assert main([*FLAGS, "--steps", "30", "--from", "1e-4", "--to", "1"]) == 0
    folder = tmp_path / "outputs/find-lr-lenet"
    with open(folder / "lr_finder.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["step", "lr", "loss", "smoothed"] and float(rows[0]["lr"]) == 1e-4
    text = "".join(ElementTree.parse(folder / "lr_finder.svg").getroot().itertext())
    assert "learning rate" in text and "steepest descent" in text
    with Image.open(folder / "lr_finder.png") as picture:
        assert picture.width > 500 and len(set(picture.convert("L").getdata())) > 20
    printed = capsys.readouterr().out
    assert "suggested --lr" in printed and str(tmp_path) not in printed
    suggested = float(printed.split("suggested --lr ")[1].split(":")[0])
    lowest = min(rows, key=lambda row: float(row["smoothed"]))
    assert suggested == pytest.approx(float(lowest["lr"]) / 10, rel=0.05)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--steps 3", "--steps"),
        ("--from 1 --to 0.1", "--from"),
        ("--from 0", "--from"),
        ("--to inf", "--to"),
        ("--to nan", "--to"),
        ("--lr 0.1", "--lr"),  # it is what is looked for
        ("--batch-size 501", "--batch-size 501"),
        ("--sizes 16:0.5,32:0.5", "lenet does not take 16x16 images"),
    ],
)
def test_bad_usage_is_one_line_and_leaves_nothing(tmp_path, capsys, arguments, says):
    assert main([*FLAGS, *arguments.split()]) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1 and not (tmp_path / "outputs").exists()
