"""Going on with the folder of a run: what is refused, and what a killed process leaves in it."""

import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from paddle_cifar import checkpoint, resuming
from paddle_cifar.atomic import temporary_of
from paddle_cifar.callbacks import History
from paddle_cifar.cli import main
from paddle_cifar.config import TrainConfig
from paddle_cifar.errors import RunError
from paddle_cifar.optim.schedules import build_schedule
from paddle_cifar.runs import RunFolder
from tests.conftest import SMALL_RUN


@pytest.fixture(scope="module")
def unfinished(tmp_path_factory):
    """A run of an epoch of two steps that was killed before its result: checkpoints 0 and 2."""
    output = tmp_path_factory.mktemp("outputs")
    assert main([*SMALL_RUN, *"--epochs 1 --limit-steps 2 --name run".split(), "--output", str(output)]) == 0
    (output / "run" / "result.json").unlink()
    return output / "run"


@pytest.fixture
def run(unfinished, tmp_path):
    """A copy of it, to be spoilt."""
    return RunFolder(Path(shutil.copytree(unfinished, tmp_path / "run")))


def test_what_a_killed_process_left_half_written_is_in_nobodys_way(run, tmp_path, capsys):
    left = temporary_of(run.checkpoints / "00000001.safetensors")
    left.write_bytes(b"half")
    run.saved()[0].unlink()
    assert main(["--resume", str(run.path)]) == 0
    assert not left.exists() and run.result.exists()
    begun = RunFolder(tmp_path / "outputs" / "mine")  # killed while its config was written
    begun.checkpoints.mkdir(parents=True)
    temporary_of(begun.config).write_bytes(b"{")
    command = [*SMALL_RUN, *"--epochs 1 --limit-steps 1 --name mine --resume auto".split()]
    assert main(command) == 0 and begun.result.exists()


def test_weights_of_another_class_count_are_refused(run, capsys):
    for path in run.saved():
        state = checkpoint.load(path)
        ten = {
            name: np.ascontiguousarray(tensor[..., :10]) if tensor.shape[-1:] == (100,) else tensor
            for name, tensor in state.tensors.items()
        }
        checkpoint.save(checkpoint.Checkpoint(ten, state.progress), path)
    assert main(["--resume", str(run.path)]) == 1
    error = capsys.readouterr().err
    assert "another network or class count" in error and error.count("\n") == 1
    assert "[10] float32 there" in error and "[100] float32 here" in error


@pytest.mark.parametrize("flag", ["--lr 0.5", "--epochs 9", "--batch-size 32", "--seed 7"])
def test_resume_with_another_setting_is_refused_unless_asked_for(run, capsys, flag):
    before = run.config.read_text()
    assert main(["--resume", str(run.path), *flag.split()]) == 1
    error = capsys.readouterr().err
    was = getattr(TrainConfig.read(run.config), flag.split()[0].strip("-").replace("-", "_"))
    assert f"{flag.split()[0]} was {was}, now {flag.split()[1]}" in error and "--allow-changes" in error
    assert run.config.read_text() == before and not run.result.exists()
    assert main(["--resume", str(run.path), *flag.split(), "--allow-changes"]) == 0


@pytest.mark.parametrize(
    ("part", "says"),
    [("tensors", "damaged"), ("progress", "damaged"), ("optimizer", "weights alone"), ("file", "no usable")],
)
def test_a_checkpoint_without_a_part_is_refused(run, capsys, part, says):
    """Cut out of the file it is found by the SHA-256; packed weights have one, but no optimizer."""
    from safetensors.numpy import load, save

    for path in run.saved():
        state, data = checkpoint.load(path), path.read_bytes()
        if part == "tensors":
            kept = {name: tensor for name, tensor in load(data).items() if name.startswith("network.")}
            header = {"progress": "{}", "sha256": "0" * 64}
            path.write_bytes(save(kept, metadata=header))
        elif part == "progress":
            path.write_bytes(save(state.tensors))
        elif part == "optimizer":
            facts = {"epochs": 0}
            weights = {name: tensor for name, tensor in state.tensors.items() if name.startswith("network.")}
            checkpoint.save(checkpoint.Checkpoint(weights, facts), path)
        else:
            path.unlink()
            path.with_suffix(".pdparams").write_bytes(data)
    assert main(["--resume", str(run.path)]) == 1
    error = capsys.readouterr().err
    assert says in error and error.splitlines()[-1].startswith("error: ") and not run.result.exists()


def test_checkpoints_that_count_further_than_the_newest_step_make_room_for_it(run):
    """Left by epochs of more, smaller batches; or damaged, and passed over when the run was resumed."""
    newest, *older = run.saved()
    newest.rename(run.checkpoint(900))
    for path in older:
        path.unlink()
    assert main(["--resume", str(run.path), *"--epochs 2 --keep 1 --allow-changes".split()]) == 0
    assert run.saved() == [run.checkpoint(4)], "two epochs of two steps"


def test_a_run_cut_short_on_small_images_is_tested_on_full_sized_ones(tmp_path):
    def losses():
        """Of the result, and of the last epoch's evaluation."""
        rows = checkpoint.load(run.saved()[0]).progress["rows"]
        return json.loads(run.result.read_text())["loss"], rows[-1]["test_loss"]

    flags = "--model wrn_10_1 --batch-size 100 --epochs 2 --limit-steps 1 --sizes 8:0.5,32:0.5 --name run"
    assert main([*SMALL_RUN, *flags.split(), "--output", str(tmp_path)]) == 0
    run = RunFolder(tmp_path / "run")
    assert losses()[0] == losses()[1]
    run.result.unlink()
    run.saved()[0].unlink()  # killed in its second epoch
    assert main(["--resume", str(run.path), *"--epochs 1 --allow-changes".split()]) == 0
    result, small = losses()
    assert main(["evaluate", "--run", str(run.path)]) == 0
    evaluation = json.loads((run.path / "evaluation.json").read_text())
    assert result == pytest.approx(evaluation["loss"], rel=1e-5) and result != pytest.approx(small, rel=1e-3)


def test_a_second_process_is_refused_and_changes_nothing(run, capsys):
    before = run.config.read_text()
    with run.locked():
        assert main(["--resume", str(run.path), *"--lr 0.5 --allow-changes".split()]) == 1
    assert "being trained by another process" in capsys.readouterr().err
    assert run.config.read_text() == before


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ("--model resnet18 --allow-changes", "another network"),
        ("--batch-size 100000 --allow-changes", "--batch-size 100000"),
        ("--val-split 100 --allow-changes", "began with --val-split 0, not 100"),
        ("--kfold 5 --fold 2 --allow-changes", "began with --kfold 0, not 5"),
        ("--optimizer adam --allow-changes", "began with --optimizer sgd, not adam"),
        ("--data-file nowhere.tar.gz --dataset cifar100 --allow-changes", "nowhere.tar.gz"),
    ],
)
def test_a_change_that_cannot_be_made_leaves_the_run_as_it_was(run, capsys, flags, says):
    before = run.config.read_text()
    assert main(["--resume", str(run.path), *flags.split()]) in (1, 2)
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1
    assert run.config.read_text() == before
    assert main(["--resume", str(run.path)]) == 0 and run.result.exists()


def test_another_seed_is_refused_where_it_would_hold_out_other_images():
    run = RunFolder(Path("run"))
    plain, split = TrainConfig(), TrainConfig(val_split=100)
    resuming._refuse_impossible(run, plain, {"seed": 1})
    with pytest.raises(RunError, match="began with --seed 0, not 1"):
        resuming._refuse_impossible(run, split, {"seed": 1})


def test_fewer_epochs_than_are_done_are_refused():
    resuming.check_position(TrainConfig(epochs=3), {"epochs": 3, "step": 0}, "")
    with pytest.raises(RunError, match="in epoch 4 already"):
        resuming.check_position(TrainConfig(epochs=3), {"epochs": 3, "step": 1}, "")


@pytest.fixture
def half_an_epoch(tmp_path):
    """A run that was killed after two of the four steps of its second epoch, of two."""
    flags = f"--epochs 2 --limit-steps 4 --save-steps 1 --keep 20 --name half --output {tmp_path}"
    assert main([*SMALL_RUN, *flags.split()]) == 0
    run = RunFolder(tmp_path / "half")
    run.result.unlink()
    for path in run.saved():
        if path > run.checkpoint(6):
            path.unlink()
    return run


@pytest.mark.parametrize(("steps", "before_the_last"), [(4, 7), (2, 3), (6, 11)])
def test_with_other_batches_a_run_goes_on_as_far_into_its_epoch_and_its_schedule(
    half_an_epoch, steps, before_the_last
):
    flags = f"--limit-steps {steps} --allow-changes"
    assert main(["--resume", str(half_an_epoch.path), *flags.split()]) == 0
    progress = checkpoint.load(half_an_epoch.saved()[0]).progress
    assert progress["epochs"] == 2 and progress["lr_scheduler"]["last_epoch"] == 2 * steps
    schedule = build_schedule("onecycle", 0.02, total_steps=2 * steps)
    schedule.step(before_the_last)
    assert progress["rows"][1]["lr"] == pytest.approx(schedule(), rel=1e-12)


def test_another_rate_holds_from_the_next_step_on(half_an_epoch, monkeypatch):
    rates = []
    real = History.on_train_batch_end

    def noted(self, step, logs=None):
        rates.append(self.model._optimizer.get_lr())
        real(self, step, logs)

    monkeypatch.setattr(History, "on_train_batch_end", noted)
    assert main(["--resume", str(half_an_epoch.path), *"--lr 0.04 --allow-changes".split()]) == 0
    schedule = build_schedule("onecycle", 0.04, total_steps=8)
    schedule.step(6)
    assert rates[0] == schedule() and len(rates) == 2


def test_runs_begun_in_the_same_second_have_folders_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setattr(resuming.time, "strftime", lambda _: "20260101-000000")
    config = TrainConfig(output=str(tmp_path), model="wrn_16_4")
    names = [resuming.open_run(config, {})[0].path.name for _ in range(3)]
    first = "wrn_16_4-baseline-20260101-000000"
    assert names == [first, f"{first}-2", f"{first}-3"]


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need a privilege there")
def test_an_output_folder_that_is_not_there_any_more_is_one_line(tmp_path):
    """A link to a drive that is not mounted: it exists already, and nothing can be made in it."""
    (tmp_path / "outputs").symlink_to(tmp_path / "unmounted")
    with pytest.raises(RunError, match="choose another --output"):
        resuming.open_run(TrainConfig(output=str(tmp_path / "outputs")), {})


@pytest.mark.skipif(os.name == "nt", reason="Windows locks in another way")
def test_a_drive_without_locks_costs_a_warning(run, capsys, monkeypatch):
    import fcntl

    def refused(descriptor, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refused)
    assert main(["--resume", str(run.path)]) == 0 and run.result.exists()
    assert "cannot be locked (No locks available)" in capsys.readouterr().err
