"""Two processes that train one network, on this machine, over gloo."""

import contextlib
import csv
import json
import os
import signal
import socket
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import paddle
import pytest
from paddle import nn

from paddle_cifar import checkpoint, distributed
from paddle_cifar.callbacks import shared
from paddle_cifar.cli import main
from paddle_cifar.data.augment import build_augmentations, build_mixing
from paddle_cifar.data.loader import BatchLoader
from paddle_cifar.errors import UsageError
from paddle_cifar.interrupts import REPEATED_SECONDS, StopSignals
from paddle_cifar.metrics import build_metrics
from paddle_cifar.models import build_network
from paddle_cifar.optim.shared import SharedGradients, untrained
from paddle_cifar.runs import RunFolder
from tests.conftest import ROOT, SMALL_RUN

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="gloo is in Paddle's wheels for Linux")

# main.py that writes with what network and optimizer end, and may send itself a signal before an update.
PROGRAM = """
import os, sys
from pathlib import Path
from paddle_cifar.environment import import_paddle
import_paddle()
from paddle_cifar import checkpoint, cli, trainer
from paddle_cifar.optim.shared import SharedGradients

share, fit, updates = SharedGradients.share, trainer.fit, []

def counted(self):
    updates.append(1)
    if len(updates) == int(os.environ.get("AT", "0")):
        os.kill(os.getpid(), int(os.environ["SIGNAL"]))
    share(self)

def kept(config, run, model, *arguments):
    result = fit(config, run, model, *arguments)
    checkpoint.save(checkpoint.capture(model.network, model._optimizer, {}), Path(os.environ["ENDS"]))
    return result

SharedGradients.share, trainer.fit = counted, kept
sys.exit(cli.main())
"""


class Pair:
    """Two processes with the arguments of a run; ``ends(rank)`` are the tensors a process ended with.

    Args:
        folder: of the outputs.
        arguments: of main.py, after those of SMALL_RUN.
        at: before which update the second process sends itself ``number``.
    """

    def __init__(self, folder, *arguments, at=0, number=0):
        self.folder = folder
        ports = free_ports(2)
        endpoints = [f"127.0.0.1:{port}" for port in ports]
        self.processes = []
        for rank in (0, 1):
            environment = {
                "PADDLE_TRAINER_ID": str(rank),
                "PADDLE_TRAINERS_NUM": "2",
                "PADDLE_MASTER": endpoints[0],
                "PADDLE_TRAINER_ENDPOINTS": ",".join(endpoints),
                "PADDLE_CURRENT_ENDPOINT": endpoints[rank],
                "PADDLE_DISTRI_BACKEND": "gloo",
                "PYTHONPATH": str(ROOT),
                "ENDS": str(folder / f"ends-{rank}.safetensors"),
                **({"AT": str(at), "SIGNAL": str(int(number))} if rank else {}),
            }
            command = [sys.executable, "-c", PROGRAM, *SMALL_RUN, *arguments, "--output", str(folder)]
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            self.processes.append(
                subprocess.Popen(command, env={**os.environ, **environment}, cwd=folder, **pipes)
            )
        began = time.monotonic()
        ended = [process.communicate(timeout=120) for process in self.processes]
        self.seconds = time.monotonic() - began
        self.out, self.err = [out for out, _ in ended], [err for _, err in ended]
        self.codes = [process.returncode for process in self.processes]

    def ends(self, rank):
        return checkpoint.load(self.folder / f"ends-{rank}.safetensors").tensors


def free_ports(count):
    """All held at once, so that no two are the same."""
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(socket.socket()) for _ in range(count)]
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return [listener.getsockname()[1] for listener in listeners]


def assert_equal_bits(some, others):
    assert some.keys() == others.keys() and any(name.startswith("optimizer.") for name in some)
    for name in some:
        assert np.array_equal(some[name], others[name]), name


def read_history(folder):
    with open(folder / "history.csv", newline="") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


@on_linux
def test_two_processes_make_the_steps_of_one(tmp_path):
    """Without norms nothing depends on the parts, which are uneven, the last ones two and three images.

    Eight steps: sums of parts round otherwise than sums of batches, and sooner or later a unit that is nearly
    zero is on in one run and off in the other; when depends on the processor.
    """
    arguments = "--batch-size 165 --no-drop-last --augment crop,flip,mixup --epochs 2".split()
    assert main([*SMALL_RUN, *arguments, "--output", str(tmp_path), "--name", "one"]) == 0
    pair = Pair(tmp_path, *arguments, "--name", "two")
    assert pair.codes == [0, 0], pair.err
    assert_equal_bits(pair.ends(0), pair.ends(1))
    one = checkpoint.load_newest(RunFolder(tmp_path / "one").saved()).tensors
    for name, value in pair.ends(0).items():
        assert value == pytest.approx(one[name], rel=1e-3, abs=2e-5), name
    results = [json.loads((tmp_path / name / "result.json").read_text()) for name in ("one", "two")]
    assert [result["processes"] for result in results] == [1, 2]
    rows = zip(read_history(tmp_path / "one"), read_history(tmp_path / "two"), strict=True)
    for one_row, two_row in rows:
        for name in one_row.keys() - {"seconds", "images_per_second"}:
            assert two_row[name] == pytest.approx(one_row[name], rel=1e-4), name
    assert (
        results[1]["acc_top5"] == pytest.approx(results[0]["acc_top5"]) and results[1]["test_images"] == 100
    )
    assert "over 2 processes" in pair.out[0] and pair.out[1] == ""
    assert "no longer the same" not in "".join(pair.err)


@on_linux
def test_processes_end_with_the_same_bits_on_the_engine(tmp_path):
    """With norms, each process's own part in them, Muon's matrix products and an average of the weights."""
    arguments = (
        "--model wrn_10_1 --engine auto --optimizer muon --ema-decay 0.9 --batch-size 32 --limit-steps 6"
    )
    pair = Pair(tmp_path, *arguments.split(), *"--epochs 2 --tta mirror --val-split 100 --name run".split())
    assert pair.codes == [0, 0], pair.err
    assert_equal_bits(pair.ends(0), pair.ends(1))
    assert "no longer the same" not in "".join(pair.err)


@on_linux
def test_a_killed_and_a_stopped_process_end_the_other_and_the_run_goes_on_exactly(tmp_path):
    """With norms, two passes a step, and steps that may be skipped. The signals go to the second process."""
    arguments = "--model wrn_10_1 --batch-size 8 --limit-steps 5 --epochs 2 --log-freq 1"
    arguments = f"{arguments} --save-steps 2 --sam-rho 0.1 --on-nan skip --resume auto".split()
    whole = Pair(tmp_path, *arguments, "--name", "whole")
    assert whole.codes == [0, 0], whole.err
    whole_ends = [whole.ends(0), whole.ends(1)]
    assert_equal_bits(*whole_ends)
    run = RunFolder(tmp_path / "stopped")

    killed = Pair(tmp_path, *arguments, "--name", "stopped", at=4, number=signal.SIGKILL)
    assert killed.codes == [1, -signal.SIGKILL] and killed.seconds < whole.seconds + 15
    assert "another of the 2 processes has ended" in killed.err[0] and "Traceback" not in killed.err[0]
    assert [path.stem for path in run.saved()] == ["00000002", "00000000"]

    stopped = Pair(tmp_path, *arguments, "--name", "stopped", at=6, number=signal.SIGTERM)
    assert stopped.codes == [143, 143]
    for error in stopped.err:
        assert "stopped at epoch 2, step 3" in error and "Traceback" not in error
    assert run.saved()[0].stem == "00000008"

    resumed = Pair(tmp_path, *arguments, "--name", "stopped")
    assert resumed.codes == [0, 0], resumed.err
    for rank in (0, 1):
        assert_equal_bits(resumed.ends(rank), whole_ends[rank])
    rows = zip(read_history(tmp_path / "whole"), read_history(run.path), strict=True)
    for expected, row in rows:
        timings = {"seconds", "images_per_second"}
        assert {k: v for k, v in row.items() if k not in timings} == {
            k: v for k, v in expected.items() if k not in timings
        }


@on_linux
def test_the_launcher_starts_a_run_and_all_hear_of_a_mistake(tmp_path):
    launch = [
        sys.executable,
        "-m",
        "paddle.distributed.launch",
        "--nproc_per_node",
        "2",
        str(ROOT / "main.py"),
    ]
    arguments = [*launch, *SMALL_RUN, *"--epochs 1 --name run".split()]
    done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout
    assert json.loads((tmp_path / "outputs/run/result.json").read_text())["processes"] == 2
    again = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert again.returncode == 1
    for rank in (0, 1):
        assert "already holds a run" in (tmp_path / f"log/workerlog.{rank}").read_text()


@pytest.mark.parametrize("ranks", [2, 3, 7])
def test_parts_are_the_batches_of_one_process(ranks):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (50, 3, 32, 32), np.uint8)
    labels = random.integers(0, 100, 50)

    def batches(part):
        augment, mixing = build_augmentations("crop,flip,cutmix"), build_mixing("crop,flip,cutmix")
        return list(BatchLoader(images, labels, 20, augment, mixing, shuffle=True, part=part))

    parts = [batches((rank, ranks)) for rank in range(ranks)]
    for step, (image, label) in enumerate(batches((0, 1))):
        assert np.array_equal(np.concatenate([part[step][0] for part in parts]), image)
        assert np.array_equal(np.concatenate([part[step][1] for part in parts]), label)
        sizes = [len(part[step][0]) for part in parts]
        assert max(sizes) - min(sizes) <= 1 and min(sizes) >= 1


def test_every_process_must_have_an_image_to_train_on():
    images, labels = np.zeros((50, 3, 32, 32), np.uint8), np.zeros(50, np.int64)
    with pytest.raises(UsageError, match="the last one 2, is too small for 3 processes"):
        BatchLoader(images, labels, 16, shuffle=True, part=(0, 3))
    with pytest.raises(UsageError, match="too small for 3"):
        BatchLoader(images, labels, 2, part=(0, 3))
    assert BatchLoader(images, labels, 16, shuffle=True, drop_last=True, part=(0, 3)).steps == 3
    seen = [
        sum(len(image) for image, _ in BatchLoader(images, labels, 16, part=(rank, 3))) for rank in (0, 1, 2)
    ]
    assert sum(seen) == 50, "an evaluation passes over an empty part, and loses nothing"


def test_weights_that_differ_are_noticed_and_figures_are_those_of_all(monkeypatch, capsys):
    """A stand-in for the other processes: together they counted twice what this one did."""
    network = build_network("lenet")
    model = SimpleNamespace(network=network, _metrics=build_metrics())
    figures = shared.SharedFigures(StopSignals(shared=True))
    figures.set_model(model)
    monkeypatch.setattr(distributed, "RANKS", 2)
    monkeypatch.setattr(distributed, "total", lambda values: [3 * value for value in values])
    figures.on_train_batch_begin(0)
    model._metrics[2].update(np.array([1.0, 3.0]))  # the mean loss
    answers = {"loss": [2.0], "batch_size": 2}
    figures.on_train_batch_end(0, answers)
    assert answers["batch_size"] == 6 and answers["loss"] == [pytest.approx(2.0 * 3 / 3)]
    assert answers["mean_loss"] == pytest.approx(2.0) and model._metrics[2].count == 6
    figures.on_eval_batch_end(0)
    figures.on_eval_end({})
    assert "no longer the same" in capsys.readouterr().err
    monkeypatch.setattr(distributed, "total", lambda values: [2 * value for value in values])
    figures.on_eval_end({})
    assert "no longer the same" not in capsys.readouterr().err


def test_a_launchers_repeated_signal_is_not_a_user_who_insists(monkeypatch):
    left = []
    monkeypatch.setattr(os, "_exit", left.append)
    with StopSignals(shared=True) as stop:
        for _ in range(3):
            signal.raise_signal(signal.SIGTERM)
        assert stop.noted == signal.SIGTERM and stop.requested == 0 and not left
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now + REPEATED_SECONDS + 1)
        signal.raise_signal(signal.SIGTERM)
        assert left == [143]


def test_gradients_are_weighted_by_images_and_missing_ones_made_up(monkeypatch):
    """A stand-in for the other process: it had 30 images to this one's 10, and gradients of ones."""
    paddle.seed(0)
    network = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1D(3), nn.Linear(3, 2), nn.Linear(3, 2))
    optimizer = SimpleNamespace(minimize=lambda: "stepped")
    monkeypatch.setattr(distributed, "RANKS", 2)
    SharedGradients(optimizer, network)
    image = paddle.to_tensor(np.random.default_rng(0).normal(size=(10, 4)).astype(np.float32))
    first, norm, second, left_out = network
    for layer in (first, norm):
        image = layer(image)
    network._forward_pre_hooks.popitem()[1](network, (image,))  # what a call of the network would do first
    second(image).mean().backward()
    before = second.weight.grad.numpy()
    parameters = [parameter for parameter in network.parameters() if not parameter.stop_gradient]
    statistics = norm._mean.numpy()

    def sum_in_place(message):
        theirs = [30.0] + [0.0 if p is left_out.bias else 1.0 for p in parameters]
        theirs += [0.0 if p is left_out.bias else 30.0 for p in parameters for _ in range(p.size)]
        theirs += [0.0] * 6  # norm statistics are the writer's
        message.set_value(message.numpy() + np.array(theirs, np.float32))

    monkeypatch.setattr(distributed, "sum_in_place", sum_in_place)
    assert optimizer.minimize() == "stepped"
    assert second.weight.grad.numpy() == pytest.approx((10 * before + 30) / 40, rel=1e-5)
    assert left_out.weight.grad.numpy() == pytest.approx(np.full((3, 2), 0.75))
    assert left_out.bias.grad is None, "nobody had one: an optimizer passes it over"
    assert np.array_equal(norm._mean.numpy(), statistics)


def test_norm_statistics_are_found_though_paddle_counts_them_among_parameters():
    network = build_network("wrn_10_1")
    found = {id(value) for value in untrained(network)}
    for name, value in network.state_dict().items():
        assert (id(value) in found) == name.endswith(("_mean", "_variance")), name


def test_other_commands_are_for_one_process(command):
    process = command("models", "lenet", PADDLE_TRAINERS_NUM="2")
    assert process.returncode == 2 and "without paddle.distributed.launch" in process.stderr


def test_with_one_process_nothing_is_sent():
    distributed.start("cpu")
    distributed.wait_for_all()
    distributed.give_up()
    assert distributed.total([1.5, 2]) == [1.5, 2] and shared.shared_figures() == []
    assert distributed.from_writer(lambda: {"a": 1}) == {"a": 1} and "paddle" in sys.modules
