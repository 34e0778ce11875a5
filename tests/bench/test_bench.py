"""The speed contest: turns, contestants that cannot run, the table's arithmetic, bad input."""

from __future__ import annotations

import sys

import pytest

from paddle_cifar.bench import Contestant, Timing, Workload, contest, run_contests, table
from paddle_cifar.cli import main
from paddle_cifar.errors import RunError, UsageError

WORKLOAD = Workload("lenet", "cifar", 4)

# A contestant that does nothing for the given number of milliseconds (its "engine"), and says when.
SLEEPER = """
import sys, time
from paddle_cifar.bench import Runner, serve
def prepare(workload, engine, precision):
    assert tuple(workload) == ("lenet", "cifar", 4) and precision == "none"
    return Runner(lambda: time.sleep(float(engine) / 1000), lambda: 0.25, 0.125)
serve(prepare)
"""


BROKEN = Contestant(("-c", "raise SystemExit('no')"), "", "")


def sleeper(milliseconds: int) -> Contestant:
    return Contestant(("-c", SLEEPER), str(milliseconds), "none")


def test_contest_tells_fast_from_slow_and_leaves_out_what_fails():
    timings = contest(
        WORKLOAD,
        {
            "slow": sleeper(90),
            "broken": BROKEN,
            "fast": sleeper(10),
        },
        rounds=3,
    )
    assert list(timings) == ["slow", "fast"]
    assert 0.09 <= timings["slow"].seconds < 0.2 and 0.01 <= timings["fast"].seconds < 0.08
    assert timings["fast"].inside == 0.25 and timings["fast"].bound == 0.125


def test_contest_without_anyone_who_can_run():
    with pytest.raises(RunError, match="could not be trained"):
        contest(WORKLOAD, {"broken": BROKEN}, rounds=1)


def test_contestants_get_their_thread_settings(monkeypatch):
    program = """
import os
from paddle_cifar.bench import Runner, serve
serve(lambda *_: Runner(lambda: None, bound=float(os.environ.get("OMP_NUM_THREADS", "0"))))
"""
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    timings = contest(
        WORKLOAD,
        {
            "installed": Contestant(("-c", program), "", "", as_installed=True),
            "tuned": Contestant(("-c", program), "", ""),
        },
        rounds=1,
    )
    assert timings["installed"].bound == 0
    assert timings["tuned"].bound >= 1


def test_table_compares_the_faster_engine():
    timings = {
        "paddle as installed": Timing(2.0),
        "engine float32": Timing(0.5, 0.4, 0.3),
        "engine bf16": Timing(0.25, 0.2, 0.1),
    }
    row = table({"lenet": (Workload("lenet", "cifar", 100), timings)}).splitlines()[-1]
    assert [cell.strip() for cell in row.strip("|").split("|")] == [
        *("lenet, 100", "50", "200", "400"),
        *("8.00", "500", "1000"),
    ]


def test_table_without_an_engine():
    row = table({"lenet": (WORKLOAD, {"paddle as installed": Timing(2.0)})}).splitlines()[-1]
    assert [cell.strip() for cell in row.strip("|").split("|")] == ["lenet, 4", "2", "-", "-", "-"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["resnet"], None, 2), "resnet18"),
        (([], 0, 2), "--batch-size is 0"),
        (([], None, 0), "--rounds is 0"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(UsageError, match=message):
        run_contests(*arguments)


@pytest.mark.skipif(sys.platform != "linux", reason="the engine runs on Linux only")
def test_command_prints_a_row(capsys):
    assert main(["bench", "resnet18_imagenet_stem", "--batch-size", "2", "--rounds", "1"]) == 0
    header, row = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")][::2]
    assert "paddle as installed" in header and row.startswith("| resnet18_imagenet_stem, 2 |")
