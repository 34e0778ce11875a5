import os
import subprocess
import sys
import time

import pytest

from paddle_cifar import cli
from paddle_cifar.config import TrainConfig
from paddle_cifar.recipes import configure
from tests.conftest import ROOT


def test_help_answers_quickly_and_without_paddle(command):
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        process = command("--help")
        seconds.append(time.perf_counter() - began)
    assert process.returncode == 0 and "python main.py --epochs 20 --lr 0.01" in process.stdout
    assert min(seconds) < 0.5
    check = """import sys, paddle_cifar.cli as cli
cli.build_parser(); assert not {"paddle", "numpy"} & set(sys.modules)"""
    subprocess.run([sys.executable, "-c", check], cwd=ROOT, check=True)


@pytest.mark.parametrize("name", list(cli.EXAMPLES))
def test_help_of_every_command_has_an_example(command, name):
    process = command(name, "--help")
    assert process.returncode == 0 and "example: python main.py" in process.stdout


def test_every_field_is_a_flag_with_the_configs_default():
    parser = cli.build_parser()
    assert vars(parser.parse_args(["train"])) == {"command": "train"}  # defaults live in TrainConfig alone
    given = vars(
        parser.parse_args(["train", "--epochs", "3", "--lr", "0.5", "--no-drop-last", "--resume", "--debug"])
    )
    assert given == {
        "command": "train",
        "epochs": 3,
        "lr": 0.5,
        "drop_last": False,
        "resume": "newest",
        "debug": True,
    }
    text = parser._subparsers._group_actions[0].choices["train"].format_help()
    assert "peak learning rate [0.01]" in text  # the value of the default recipe
    for field in TrainConfig.__dataclass_fields__:
        assert "--" + field.replace("_", "-") in text


def test_what_a_recipe_turns_on_can_be_turned_off():
    words = "--recipe speedrun --lookahead-steps 0 --no-lookahead-ramp --no-muon-renormalize".split()
    given = vars(cli.build_parser().parse_args(["train", *words]))
    del given["command"]
    assert configure({"recipe": "speedrun"}).lookahead_ramp
    config = configure(given)
    assert not config.lookahead_ramp and not config.muon_renormalize


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--lr -1", "--lr"),
        ("--lr 0", "--lr"),
        ("--lr nan", "--lr"),
        ("--lr inf", "--lr"),
        ("--lr fast", "--lr"),
        ("--epochs 0", "--epochs"),
        ("--epochs 2.5", "--epochs"),
        ("--batch-size 0", "--batch-size"),
        ("--threads -1", "--threads"),
        ("--model resnet81", "did you mean resnet"),
        ("--recipe quik", "did you mean quick"),
        ("--augment flipp", "did you mean flip"),
        ("--stem cifer", "did you mean cifar"),
        ("--learning-rate 1", "--learning-rate"),
        ("trian", "train"),
        ("models resnet81", "did you mean resnet"),
        ("evaluate --logits", "--run"),
        ("--name ../away", "--name"),
        ("--name a/b", "--name"),
        ("--seed 99999999999999999999", "--seed"),
        ("--threads 20000", "--threads"),
        ("--name a --resume outputs/b", "--resume"),
        ("--epo 3", "--epo"),
        ("--epoch 3", "unknown flag --epoch; did you mean --epochs?"),
        ("evaluate --batchsize=3", "unknown flag --batchsize; did you mean --batch-size?"),
        ("--zzz seed", "unrecognized arguments: --zzz seed"),
        ("--dataset synthetic --synthetic-size 500 --batch-size 501", "--batch-size 501"),
    ],
)
def test_bad_usage_is_one_line_and_exit_2(capsys, tmp_path, arguments, says):
    assert cli.main(arguments.split()) == 2
    error = capsys.readouterr().err
    assert says in error and error.startswith("error: ") and error.count("\n") == 1
    assert not list(tmp_path.iterdir()) or not any((tmp_path / "outputs").glob("*/config.json"))


def test_no_data_stops_with_the_ways_to_get_it(capsys, monkeypatch, tmp_path):
    from paddle_cifar.data import locate

    def offline(*arguments, **keywords):
        raise cli.RunError(f"no connection; {locate.WAYS_TO_SUPPLY}")

    monkeypatch.setattr(locate, "fetch", offline)
    assert cli.main(["--epochs", "1"]) == 1
    error = capsys.readouterr().err
    assert "--data-file" in error and "python main.py --dataset synthetic" in error
    assert not any((tmp_path / "outputs").iterdir()), "a run that never began leaves no folder"


def test_resume_with_nothing_to_resume_starts_nothing(capsys, tmp_path):
    """Only --resume auto may start a run that takes hours."""
    assert cli.main(["--resume"]) == 1
    (tmp_path / "outputs").mkdir()
    assert cli.main(["--resume"]) == 1
    assert cli.main(["--resume", "--name", "mine"]) == 1
    assert capsys.readouterr().err.count("resume") >= 3 and not list((tmp_path / "outputs").iterdir())


def test_missing_data_file_is_named(capsys):
    assert cli.main(["--data-file", "nowhere.tar.gz", "--epochs", "1"]) == 1
    assert "nowhere.tar.gz" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["file", "read-only"])
def test_output_folder_is_checked_before_the_data_is_read(capsys, tmp_path, kind):
    output = tmp_path / "taken"
    output.write_text("a file")
    if kind == "read-only":
        output = "/proc/cifar"  # root may write anywhere else
        if not os.path.isdir("/proc/self"):
            pytest.skip("needs Linux")
    assert cli.main(["--data-file", "nowhere.tar.gz", "--output", str(output)]) == 1
    error = capsys.readouterr().err
    assert str(output) in error and "--output" in error and "nowhere" not in error


def test_debug_shows_the_traceback_and_keeps_the_exit_code(capsys):
    assert cli.main(["stats", "--data-file", "nowhere.tar.gz", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err
    assert cli.main(["--lr", "-1", "--debug"]) == 2


def test_an_error_is_one_line_whatever_is_in_it(capsys):
    assert cli.main(["stats", "--data-file", "no\nwhere"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    "content", ["[]", "{}", '{"lr": "fast"', '{"model": "lenet", "lr": "fast"}', '{"model": 3}',
                '{"model": "lenet", "lr": -1}', '{"model": "lenet", "epochs": true}', "\udcff"],
)  # fmt: skip
def test_a_damaged_config_of_a_run_is_one_clear_line(tmp_path, capsys, content):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_bytes(content.encode(errors="surrogateescape"))
    for arguments in (["--resume", "run"], ["evaluate", "--run", "run"]):
        assert cli.main(arguments) == 1
        error = capsys.readouterr().err
        assert "config.json" in error and error.count("\n") == 1


def test_a_console_without_the_characters_of_a_name_is_no_failure(command):
    process = command("stats", "--data-file", "Ünï", PYTHONIOENCODING="ascii")
    assert (
        process.returncode == 1 and "does not exist" in process.stderr and "Traceback" not in process.stderr
    )


def test_stats_of_the_stand_in(capsys):
    assert cli.main(["stats", "--dataset", "synthetic", "--synthetic-size", "500"]) == 0
    out = capsys.readouterr().out
    assert "500 training images of synthetic" in out and "mean" in out and "std" in out


@pytest.mark.real_data
def test_stats_of_the_real_images(capsys, real_archive):
    assert cli.main(["stats", "--data-file", real_archive]) == 0
    out = capsys.readouterr().out
    assert "0.5071 0.4865 0.4409" in out and "0.2673 0.2564 0.2762" in out


def test_models_lists_the_named_ones(capsys):
    assert cli.main(["models", "lenet", "resnet18"]) == 0
    out = capsys.readouterr().out
    assert "11,220,132" in out and "lenet" in out and "vgg" not in out
