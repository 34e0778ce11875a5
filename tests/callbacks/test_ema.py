import json

import numpy as np
import paddle
import pytest
from paddle import nn

from paddle_cifar import checkpoint
from paddle_cifar.callbacks import WeightAverage
from paddle_cifar.cli import main
from paddle_cifar.optim import build_optimizer
from paddle_cifar.runs import RunFolder
from tests.conftest import SMALL_RUN, stop_a_run


def network():
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1D(3))


def values(layers):
    return {name: value.numpy().astype(np.float64) for name, value in layers.state_dict().items()}


def train(layers, steps, average=None):
    optimizer = build_optimizer("sgd", layers, 0.1)
    seen = []
    for _ in range(steps):
        (layers(paddle.randn([6, 4])) * paddle.randn([6, 3])).sum().backward()
        optimizer.minimize(None)
        layers.clear_gradients()
        seen.append(values(layers))
        if average is not None:
            average.on_train_batch_end(0)
    return seen


def test_the_average_by_hand_norm_statistics_included():
    layers = network()
    expected = values(layers)
    average = WeightAverage(layers, 0.3)
    for step, now in enumerate(train(layers, 6, average)):
        decay = [0.1, 2 / 11, 0.25, 0.3, 0.3, 0.3][step]
        expected = {name: decay * expected[name] + (1 - decay) * now[name] for name in now}
    assert average.steps == 6 and "1._mean" in average.average
    for name, value in average.average.items():
        assert np.abs(value.numpy() - expected[name]).max() < 1e-6, name


def test_evaluations_see_the_average_and_training_goes_on_with_the_weights():
    layers = network()
    average = WeightAverage(layers, 0.9)
    train(layers, 3, average)
    weights = values(layers)
    averaged = {name: value.numpy() for name, value in average.average.items()}
    average.on_eval_begin()
    assert all(np.array_equal(values(layers)[name], averaged[name]) for name in averaged)
    average.on_eval_end()
    assert all(np.array_equal(values(layers)[name], weights[name]) for name in weights)
    assert not np.allclose(weights["0.weight"], averaged["0.weight"])


def test_a_checkpoint_is_the_same_within_an_evaluation():
    layers = network()
    average = WeightAverage(layers, 0.9)
    train(layers, 3, average)
    optimizer = build_optimizer("sgd", layers, 0.1)
    outside = checkpoint.capture(layers, optimizer, {}, average).tensors
    average.swap()
    within = checkpoint.capture(layers, optimizer, {}, average).tensors
    assert outside.keys() == within.keys() and len(outside) == 2 * len(layers.state_dict())
    assert all(np.array_equal(outside[name], within[name]) for name in outside)

    other = network()
    restored = WeightAverage(other, 0.9, steps=3)
    checkpoint.restore(checkpoint.Checkpoint(outside, {"lr_scheduler": {}}), other, None, restored)
    again = checkpoint.capture(other, optimizer_of(other), {}, restored).tensors
    assert all(np.array_equal(outside[name], again[name]) for name in outside)
    chosen = checkpoint.evaluated(checkpoint.Checkpoint(outside, {})).tensors
    assert np.array_equal(chosen["network.0.weight"], outside["ema.0.weight"])


def optimizer_of(layers):
    return build_optimizer("sgd", layers, 0.1)


ARGUMENTS = (
    "--model wrn_10_1 --epochs 2 --batch-size 20 --limit-steps 5 --log-freq 1 --save-steps 2 --ema-decay 0.6 "
    "--lookahead-steps 2 --head-lr 2 --init dirac --init-scale 0.5 --schedule hold --loss focal"
).split()


@pytest.mark.parametrize("extra", ["--optimizer muon --lr 0.02", "--optimizer ranger --sam-rho 0.1"])
def test_a_stopped_run_that_is_resumed_equals_an_uninterrupted_one(tmp_path, monkeypatch, extra, capsys):
    """Everything of this folder at once; stopped in an evaluation, with the average in the network, and after
    a training step."""
    arguments = [*SMALL_RUN, *ARGUMENTS, *extra.split(), "--output", str(tmp_path)]
    assert main([*arguments, "--name", "whole"]) == 0

    with monkeypatch.context() as patch:
        stop_a_run(patch, "on_eval_batch_begin", lambda history: history.epoch == 0)
        assert main([*arguments, "--name", "stopped"]) == 143
    with monkeypatch.context() as patch:
        stop_a_run(patch, "on_train_batch_begin", lambda history: history.global_step == 7)
        assert main(["--resume", str(tmp_path / "stopped")]) == 143
    assert main(["--resume", str(tmp_path / "stopped")]) == 0

    whole, resumed = (
        checkpoint.load_newest(RunFolder(tmp_path / name).saved()) for name in ("whole", "stopped")
    )
    assert whole.tensors.keys() == resumed.tensors.keys()
    assert {"ema.fc.weight", "ema.bn._mean", "optimizer.fc.weight/slow_0"} <= whole.tensors.keys()
    for name, value in whole.tensors.items():
        assert np.array_equal(value, resumed.tensors[name]), name
    assert whole.progress["ema_steps"] == resumed.progress["ema_steps"] == 10

    # The result, what `evaluate` loads and final.pdparams are the average's.
    result = json.loads((tmp_path / "whole" / "result.json").read_text())
    assert main(["evaluate", "--run", str(tmp_path / "stopped")]) == 0
    evaluation = json.loads((tmp_path / "stopped" / "evaluation.json").read_text())
    for key in ("acc_top1", "loss"):
        assert evaluation[key] == result[key] == pytest.approx(evaluation[key])
    final = paddle.load(str(tmp_path / "whole" / "final.pdparams"))
    assert np.array_equal(final["fc.weight"].numpy(), whole.tensors["ema.fc.weight"])
    assert not np.array_equal(final["fc.weight"].numpy(), whole.tensors["network.fc.weight"])
    history = (tmp_path / "whole" / "history.csv").read_text().splitlines()
    last = dict(zip(history[0].split(","), history[-1].split(","), strict=True))
    assert float(last["test_loss"]) == pytest.approx(result["loss"], rel=1e-4), "epochs evaluate it too"


def test_the_best_checkpoint_is_evaluated_by_its_average(tmp_path, capsys):
    arguments = [*SMALL_RUN, "--val-split", "100", "--ema-decay", "0.9", "--epochs", "2"]
    assert main([*arguments, "--output", str(tmp_path), "--name", "run"]) == 0
    folder = tmp_path / "run"
    best = checkpoint.load(RunFolder(folder).best).tensors
    final = paddle.load(str(folder / "final.pdparams"))
    assert all(np.array_equal(final[name].numpy(), best[f"ema.{name}"]) for name in final)
