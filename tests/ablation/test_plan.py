import dataclasses

import pytest

from paddle_cifar import cli
from paddle_cifar.ablation.child import as_flags
from paddle_cifar.ablation.plan import folder_name, plan
from paddle_cifar.ablation.studies import STUDIES
from paddle_cifar.ablation.table import FIGURES
from paddle_cifar.errors import RunError
from paddle_cifar.recipes import configure

BUDGET = {"dataset": "synthetic", "synthetic_size": 500, "epochs": 3, "batch_size": 64}


def test_the_studies_are_those_of_the_task():
    assert set(STUDIES) == {"augment", "optimizer", "schedule", "backbone", "tricks"}


@pytest.mark.parametrize("name", STUDIES)
def test_every_row_is_a_config_of_its_own(name):
    planned = plan(name, BUDGET)
    names = [run.config.name for run in planned.runs]
    assert len(set(names)) == len(names) and all(run.config.epochs == 3 for run in planned.runs)
    trained = [dataclasses.replace(run.config, name="") for run in planned.runs]
    assert len(set(trained)) == len(trained), "two rows train the same"
    for row in STUDIES[name].rows:
        assert set(row.published) <= set(FIGURES) and (row.changes is not None or row.published)


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_varies_what_it_says(name):
    varied = {field for row in STUDIES[name].rows for field in row.changes or {}}
    expected = {
        "augment": {"augment"},
        "backbone": {"model"},
        "schedule": {"schedule", "warmup_epochs", "hold_share"},
    }
    assert varied == expected.get(name, varied) and not varied & {"epochs", "seed", "val_split", "batch_size"}


def test_published_figures_of_the_series():
    """Figures that the two documents give, by configuration."""
    accuracy = {
        (name, row.label): row.published["accuracy"]
        for name, study in STUDIES.items()
        for row in study.rows
        if "accuracy" in row.published
    }
    assert accuracy["optimizer", "Ranger"] == 0.65 and accuracy["optimizer", "adaptive SAM"] == 0.8311
    assert accuracy["backbone", "ResNet-18"] == 0.75 and accuracy["backbone", "WideResNet"] == 0.80
    assert [value for (name, _), value in accuracy.items() if name == "tricks"] == [
        *(0.78, 0.79, 0.815, 0.8311, 0.833, 0.840)
    ]
    (resnet18,) = [row for row in STUDIES["backbone"].rows if row.label == "ResNet-18"]
    assert resnet18.published["megabytes"] == 42.8, "MB, not millions"


def test_flags_replace_the_studys_settings_and_rows_replace_the_flags():
    by_study, by_flag = (
        plan("optimizer", {**BUDGET, **given}, only=["SGD", "Adam"]).runs
        for given in ({}, {"augment": "crop", "seed": 7, "recipe": "lab"})
    )
    assert by_study[0].config.augment == STUDIES["optimizer"].base["augment"]
    assert [run.config.augment for run in by_flag] == ["crop", "crop"]
    assert [run.config.optimizer for run in by_flag] == ["sgd", "adam"]
    assert by_flag[0].config.stem == "imagenet" and by_study[0].config.stem == "cifar"
    assert [run.config.seed for run in by_flag] == [7, 7]


def test_the_row_that_holds_holds_with_any_recipe():
    (run,) = plan("schedule", {**BUDGET, "recipe": "speedrun"}, only=["hold, then linear"]).runs
    assert run.config.hold_share == 0.3


def test_seeds_count_from_the_one_given():
    runs = plan("augment", {**BUDGET, "seed": 3}, seeds=2, only=["none"], to="here").runs
    assert [(run.config.seed, str(run.folder.path)) for run in runs] == [
        (3, "here/none-s3"),
        (4, "here/none-s4"),
    ]


def test_images_are_held_out_unless_told_otherwise():
    def config(**given):
        return plan("augment", {**BUDGET, **given}, only=["none"]).runs[0].config

    assert config().val_split == 50 and config(val_split=100).val_split == 100
    assert config(val_split=0).val_split == 0 and not config(val_split=0).holds_out
    assert (config(kfold=5).val_split, config(kfold=5).kfold) == (0, 5)


@pytest.mark.parametrize("name", STUDIES)
def test_flags_say_all_there_is_to_a_run(name):
    """What the child is told gives the config that was checked."""
    for run in plan(
        name, {**BUDGET, "drop_last": False, "debug": True, "lr" if name == "augment" else "seed": 1}
    ).runs:
        given = vars(cli.build_parser().parse_args(["train", *as_flags(run.settings)]))
        given.pop("command")
        assert configure(given) == run.config


def test_folder_names():
    assert folder_name("+ random erasing") == "random-erasing"
    assert folder_name("crop, flip, MixUp") == "crop-flip-mixup"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--study augments", "did you mean augment"),
        ("--study augment --only nothing", "unknown configuration"),
        ("--study augment --seeds 0", "--seeds"),
        ("--study augment --augment flip", "--augment"),
        ("--study backbone --model lenet", "--model"),
        ("--study augment --epochs 0", "--epochs"),
        ("--study schedule --epochs 3 --lr -1", "--lr"),
        ("--study augment --val-split 500", "--val-split 500"),
        ("--study augment --kfold 5 --val-split 50", "--val-split"),
        ("--study augment --batch-size 451", "--batch-size 451"),
        ("--study augment --name mine", "--name"),
        ("--study tricks --recipe tricks", "--recipe tricks has"),
        ("--study optimizer --recipe tricks", "--recipe tricks has"),
        ("--study tricks --only=all\xa0of\xa0these,\xa0WRN-40-10", "only show what was published"),
        ("--epochs 3", "--study"),
    ],
)
def test_bad_usage_is_one_line_before_the_first_run(tmp_path, capsys, arguments, says):
    words = [word.replace("\xa0", " ") for word in arguments.split(" ")]
    flags = "--dataset synthetic --synthetic-size 500".split()
    assert cli.main(["ablate", *flags, *words]) == 2
    error = capsys.readouterr().err
    assert says in error and error.startswith("error: ") and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_runs_of_another_budget_are_refused(tmp_path):
    (run,) = plan("augment", BUDGET, only=["none"], to="here").runs
    run.folder.path.mkdir(parents=True)
    run.folder.config.write_text(run.config.to_json())
    run.folder.result.write_text("{}")
    assert plan("augment", {**BUDGET, "threads": 1}, only=["none"], to="here").runs, (
        "the machine may be another"
    )
    with pytest.raises(RunError, match="--epochs 3, now it is 4"):
        plan("augment", {**BUDGET, "epochs": 4}, only=["none"], to="here")


def test_a_switch_is_said_where_a_recipe_may_have_it_otherwise():
    assert as_flags({"recipe": "lab", "drop_last": True}) == ["--recipe=lab", "--drop-last"]
    (run,) = plan("augment", {**BUDGET, "recipe": "lab", "drop_last": True}, only=["none"], to="here").runs
    given = vars(cli.build_parser().parse_args(["train", *as_flags(run.settings)]))
    assert given["drop_last"] is True and run.config.drop_last
