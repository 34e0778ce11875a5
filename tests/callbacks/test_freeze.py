import json

import numpy as np
import paddle
import pytest

from paddle_cifar import checkpoint
from paddle_cifar.cli import main
from paddle_cifar.engine import apply_engine
from paddle_cifar.models import build_network
from paddle_cifar.models.first_stage import first_stage
from paddle_cifar.models.summary import count_parameters
from paddle_cifar.runs import RunFolder
from tests.conftest import SMALL_RUN, stop_a_run

ARGUMENTS = (
    "--model airbench_64_256_256 --epochs 2 --freeze-epochs 1 --batch-size 20 --limit-steps 2 "
    "--save-steps 1 --keep 5"
).split()
STAGE = "groups.0."


@pytest.fixture(scope="module", params=["muon", "ranger"])
def run(request, tmp_path_factory):
    """Steps made by Paddle's optimizer for norms, and by optimizers of our own."""
    output = tmp_path_factory.mktemp("outputs")
    arguments = [*ARGUMENTS, "--optimizer", request.param, "--output", str(output), "--name", "run"]
    assert main([*SMALL_RUN, *arguments]) == 0
    return RunFolder(output / "run")


def test_the_first_stage_learns_until_the_last_epoch_only(run):
    began, then, end = (checkpoint.load(run.checkpoint(step)).tensors for step in (0, 2, 4))
    moved = {name for name in began if not np.array_equal(began[name], then[name])}
    still = {name for name in moved if np.array_equal(then[name], end[name])}
    weights = ("conv1.weight", "conv2.weight", "norm1.bias", "norm2.bias")
    assert still == {f"network.groups.0.{name}" for name in weights}, "the statistics of norms go on"
    assert "network.groups.0.norm1._mean" in moved and "network.head.weight" in moved


def test_a_frozen_network_is_given_back_whole(run):
    result = json.loads(run.result.read_text())
    assert result["params"] == count_parameters(build_network("airbench_64_256_256"))


def test_a_run_stopped_in_a_frozen_epoch_goes_on_equal(run, tmp_path, monkeypatch):
    optimizer = json.loads(run.config.read_text())["optimizer"]
    arguments = [*ARGUMENTS, "--optimizer", optimizer, "--output", str(tmp_path), "--name", "stopped"]
    with monkeypatch.context() as patch:
        stop_a_run(patch, "on_train_batch_begin", lambda history: history.global_step == 2)
        assert main([*SMALL_RUN, *arguments]) == 143
    stopped = RunFolder(tmp_path / "stopped")
    assert stopped.saved()[0] == stopped.checkpoint(3)
    assert main(["--resume", str(stopped.path)]) == 0
    whole, resumed = (checkpoint.load_newest(each.saved()).tensors for each in (run, stopped))
    gone = set(whole) - set(resumed)
    assert all(name.removeprefix("optimizer.").startswith(STAGE) for name in gone), "of what stays"
    for name, value in resumed.items():
        assert np.array_equal(value, whole[name]), name


@pytest.mark.parametrize("name", ["se_resnet18", "airbench_64_256_256"])
def test_the_gradients_of_all_other_layers_stay(name):
    """On the engine, where there is one."""
    paddle.seed(1)
    network = build_network(name)
    apply_engine(network)
    image, label = paddle.randn([16, 3, 32, 32]), paddle.arange(16)

    def gradients():
        paddle.nn.functional.cross_entropy(network(image), label).backward()
        found = {key: weight.grad for key, weight in network.named_parameters()}
        return {key: gradient.numpy() for key, gradient in found.items() if gradient is not None}

    whole = gradients()
    network.clear_gradients(set_to_zero=False)
    frozen = {id(weight) for layer in first_stage(network, name) for weight in layer.parameters()}
    for weight in network.parameters():
        weight.stop_gradient = weight.stop_gradient or id(weight) in frozen
    rest = gradients()
    left = {key for key, weight in network.named_parameters() if id(weight) not in frozen}
    assert set(rest) == left & set(whole) and len(rest) < len(whole)
    for key in rest:
        assert np.abs(rest[key] - whole[key]).max() <= 1e-3 * np.abs(whole[key]).max(), key


def test_a_network_whose_first_stage_is_not_known_is_refused(tmp_path, capsys):
    assert main([*SMALL_RUN, "--freeze-epochs", "1", "--output", str(tmp_path), "--name", "run"]) == 2
    error = capsys.readouterr().err
    assert "the first stage of lenet is not known" in error and error.count("\n") == 1
    assert not (tmp_path / "run").exists()
