"""A fault at every open, write, fsync and rename: the old file or the new one is there, never a mixture."""

import errno
import json
import os
import shutil
import signal
from types import SimpleNamespace

import numpy as np
import pytest

from paddle_cifar import checkpoint
from paddle_cifar.atomic import write_json
from paddle_cifar.callbacks.history import write_history
from paddle_cifar.cli import main
from paddle_cifar.config import TrainConfig
from paddle_cifar.data.archive import write_archive
from paddle_cifar.errors import RunError
from paddle_cifar.export import export as export_module
from paddle_cifar.prediction import pretrained
from paddle_cifar.runs import RunFolder
from tests.conftest import SMALL_RUN
from tests.data.archives import small_archive
from tests.faults import Faults


def state(number):
    """A checkpoint whose every part tells which one it is."""
    tensors = {
        "network.0.weight": np.full((40, 30), number, np.float32),
        "optimizer.0.weight/velocity_0": np.full((40, 30), -number, np.float32),
    }
    return checkpoint.Checkpoint(tensors, {"epochs": number, "lr_scheduler": {}})


def write_packed(folder, number):
    """``pack``, without the evaluation."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretrained, "best_or_last", lambda *_: (state(number), "last"))
        patch.setattr(pretrained, "ready", lambda *_: None)
        patch.setattr(pretrained, "evaluate_trained", lambda *_: ({"acc_top1": number},))
        patch.setattr(TrainConfig, "read", lambda _: TrainConfig())
        pretrained.pack_run(folder.parent, folder / "packed.safetensors", {})


WRITERS = {
    "00000001.safetensors": lambda folder, n: checkpoint.save(state(n), folder / "00000001.safetensors"),
    "packed.safetensors": write_packed,
    "history.csv": lambda folder, n: write_history(folder / "history.csv", [{"epoch": n, "lr": 1 / n}] * n),
    "result.json": lambda folder, n: write_json(folder / "result.json", {"epochs": n}),
    "config.json": lambda folder, n: RunFolder(folder).write_config(TrainConfig(log_freq=n)),
}


def contents(folder):
    """What each file says, by its name. Checkpoints are loaded: the order in their header is not defined."""

    def read(path):
        if path.suffix != ".safetensors":
            return path.read_bytes()
        loaded = checkpoint.load(path)
        return {name: tensor.tobytes() for name, tensor in loaded.tensors.items()}, loaded.progress

    return {path.name: read(path) for path in sorted(folder.iterdir())}


def old_and_new(write, folder):
    """What stands in the folder before and after a second writing, and the calls of that."""
    write(folder, 1)
    old = contents(folder)
    with Faults() as faults:
        write(folder, 2)
    return old, contents(folder), faults.calls


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


@pytest.mark.parametrize("name", WRITERS)
def test_data_are_on_the_disk_before_the_name_changes_and_the_name_thereafter(folder, name):
    """Against power cuts, which no test can make: the order of calls is what keeps a file whole."""
    expected = ["open", "write", "flush", "fsync", "replace", "fsync folder"]
    assert old_and_new(WRITERS[name], folder)[2] == expected


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("name", WRITERS)
def test_after_a_failed_call_the_old_file_or_the_new_one_is_there_and_nothing_else(folder, name, error):
    write, met = WRITERS[name], []
    old, new, calls = old_and_new(write, folder)
    for at in range(len(calls)):
        write(folder, 1)
        with pytest.raises(RunError, match=name) as caught, Faults(at, error):
            write(folder, 2)
        assert os.strerror(error) in str(caught.value) and caught.value.exit_code == 1
        met.append(contents(folder))
    assert met == [old] * (len(calls) - 1) + [new], "the last call is the fsync of the folder"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("name", WRITERS)
def test_after_a_kill_in_any_call_the_old_file_or_the_new_one_is_there(folder, name):
    write, met = WRITERS[name], []
    old, new, calls = old_and_new(write, folder)
    for at in range(len(calls)):
        write(folder, 1)
        child = os.fork()
        if not child:
            try:
                with Faults(at):
                    write(folder, 2)
            finally:
                os._exit(0)  # not reached
        assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
        met.append({each: said for each, said in contents(folder).items() if not each.endswith(".tmp")})
    assert met == [old] * (len(calls) - 1) + [new]
    write(folder, 2)
    assert contents(folder) == new, "what the killed left behind is gone"


def test_control_a_plain_write_is_found_to_mix(folder):
    write = lambda folder, n: (folder / "a.json").write_text(json.dumps([n] * 5))  # noqa: E731
    old, new, calls = old_and_new(write, folder)
    assert calls == ["open", "write"]
    write(folder, 1)
    with pytest.raises(OSError), Faults(1, errno.ENOSPC):
        write(folder, 2)
    assert contents(folder) not in (old, new)


def test_an_archive_is_whole_or_not_there(tmp_path):
    with Faults() as faults:
        write_archive(tmp_path / "a.tar.gz", small_archive())
    whole = (tmp_path / "a.tar.gz").read_bytes()
    for at in range(len(faults.calls)):
        with pytest.raises(RunError, match="No space left"), Faults(at, errno.ENOSPC):
            write_archive(tmp_path / "b.tar.gz", small_archive())
        assert os.listdir(tmp_path) == ["a.tar.gz"]
    write_archive(tmp_path / "b.tar.gz", small_archive())
    assert (tmp_path / "b.tar.gz").read_bytes() == whole


def test_files_of_two_exports_never_stand_together(folder, monkeypatch):
    def write(network, made_in):
        paths = [made_in / "model.json", made_in / "model.pdiparams"]
        for path in paths:
            path.write_text(f"{path.name} of {network}")
        return paths

    monkeypatch.setitem(export_module.WRITERS, "paddle", write)
    monkeypatch.setattr(export_module, "disagreement", lambda *_: 0.0)

    def export(number):
        export_module.export(SimpleNamespace(network=number), "paddle", folder)

    old, new, calls = old_and_new(lambda _, number: export(number), folder)
    assert len(new) == 3 and calls.count("replace") == 3
    for at in range(len(calls)):
        export(1)
        with pytest.raises(RunError, match="cannot write to"), Faults(at, errno.ENOSPC):
            export(2)
        assert contents(folder) in (old, {}), "all of the old, or none"


# ------------------------------------------------------------------ whole runs

RUN = [*SMALL_RUN, *"--epochs 2 --limit-steps 3 --save-steps 2".split()]


def outcome(run):
    """What a run that was disturbed must share with one that was not."""
    loaded = checkpoint.load_newest(RunFolder(run).saved())
    rows = [{**row, "seconds": 0, "images_per_second": 0} for row in loaded.progress["rows"]]
    return {name: tensor.tobytes() for name, tensor in loaded.tensors.items()}, rows


def disturbed(output, at, capsys):
    """Train with a disk that is full at one call, and once more with space; returns the outcome."""
    command = [*RUN, "--output", str(output), "--name", f"full{at}"]
    run = RunFolder(output / f"full{at}")
    with Faults(at, errno.ENOSPC):
        code = main(command)
    error = capsys.readouterr().err
    assert "No space left" in error and error.count("\n") == 1
    # Without its history.csv a run goes on: the checkpoints hold the figures too.
    assert code == 1 or (error.startswith("warning: ") and "history.csv" in error)
    assert not list(run.path.rglob(".*.tmp"))
    for path in run.saved():
        checkpoint.load(path)
    assert main([*command, "--resume", "auto"]) == 0
    return outcome(run.path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An undisturbed run: its outcome and its calls."""
    output = tmp_path_factory.mktemp("outputs")
    with Faults() as faults:
        assert main([*RUN, "--output", str(output), "--name", "whole"]) == 0
    return outcome(output / "whole"), faults.calls


@pytest.mark.parametrize(("call", "which"), [("fsync", 2), ("replace", -1)])
def test_a_full_disk_ends_the_run_with_1_and_it_goes_on_exactly(tmp_path, whole, capsys, call, which):
    """In the second checkpoint (after config and the first one), and in result.json."""
    expected, calls = whole
    at = [index for index, each in enumerate(calls) if each == call][which]
    assert disturbed(tmp_path, at, capsys) == expected


@pytest.mark.slow
def test_a_full_disk_at_any_call_of_a_run(tmp_path, whole, capsys):
    expected, calls = whole
    for at in range(len(calls)):
        assert disturbed(tmp_path, at, capsys) == expected, (at, calls[at])
        shutil.rmtree(tmp_path / f"full{at}")
