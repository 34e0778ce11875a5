import dataclasses

import pytest

from paddle_cifar.config import AUGMENTATIONS, INITS, LOSSES, OPTIMIZERS, SCHEDULES, TrainConfig
from paddle_cifar.errors import RunError, UsageError
from paddle_cifar.recipes import RECIPES, recipe


def test_json_round_trip_keeps_every_field():
    config = TrainConfig(lr=0.3, epochs=7, name="Ünïcode", drop_last=False, seed=2**31)
    assert TrainConfig.from_json(config.to_json()) == config


def test_json_with_an_unknown_field_is_refused():
    text = TrainConfig().to_json().replace('"lr"', '"learning_rate"')
    with pytest.raises(RunError, match="learning_rate"):
        TrainConfig.from_json(text)


@pytest.mark.parametrize("text", ['{"lr": ', "[]", "{}", '{"model": "lenet", "epochs": 2.5}'])
def test_what_is_not_a_config_is_refused(text):
    with pytest.raises(RunError):
        TrainConfig.from_json(text)


def test_a_config_of_an_older_version_takes_defaults_for_what_it_lacks():
    assert TrainConfig.from_json('{"model": "lenet", "lr": 1}') == TrainConfig(model="lenet", lr=1)


def test_every_field_has_a_help_text_and_is_frozen():
    assert all(field.metadata["help"] for field in dataclasses.fields(TrainConfig))
    with pytest.raises(dataclasses.FrozenInstanceError):
        TrainConfig().lr = 1


@pytest.mark.parametrize("lr", [-1, 0, float("nan"), float("inf")])
def test_impossible_rates_are_refused(lr):
    with pytest.raises(UsageError, match="--lr"):
        TrainConfig(lr=lr)


def test_an_integer_rate_is_fine():
    assert TrainConfig(lr=1).lr == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", 0),
        ("batch_size", 0),
        ("threads", -1),
        ("val_split", -5),
        ("momentum", 1.0),
        ("label_smoothing", 1.0),
        ("weight_decay", float("nan")),
        ("grad_clip", -1.0),
        ("warmup_epochs", 20.0),
        ("synthetic_size", 499),
        ("patience", 3),  # without --val-split
        ("head_lr", 0.0),
        ("norm_lr", float("inf")),
        ("init_scale", -1.0),
        ("freeze_epochs", 20),
        ("curve_images", -1),
        ("muon_steps", 7),  # the rounding errors of more rounds grow beyond bounds
        ("lookahead_share", 0.0),
        ("lookahead_ramp", True),  # without --lookahead-steps
        ("ema_decay", 1.0),
        ("hold_share", 1.0),
        ("schedule_power", 0.0),
        ("focal_gamma", -1.0),
        ("sam_rho", -0.1),
        ("sam_adaptive", True),  # without --sam-rho
        ("augment", "crop:99"),
        ("sizes", "16:0.5,24:0.5"),
    ],
)
def test_impossible_values_name_their_flag(field, value):
    with pytest.raises(UsageError, match="--" + field.replace("_", "-")):
        TrainConfig(**{field: value})


@pytest.mark.parametrize(
    ("field", "value", "nearest"),
    [
        ("model", "resnet81", "resnet18"),
        ("augment", "crop,flipp", "flip"),
        ("optimizer", "adamm", "adam"),
        ("schedule", "cosin", "cosine"),
        ("loss", "focl", "focal"),
        ("init", "diracs", "dirac"),
        ("dataset", "cifar10", "cifar100"),
    ],
)
def test_an_unknown_name_offers_the_nearest(field, value, nearest):
    with pytest.raises(UsageError, match=nearest):
        TrainConfig(**{field: value})


def test_unknown_recipe_offers_the_nearest():
    with pytest.raises(UsageError, match="did you mean default"):
        recipe("defualt")


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_knows_its_own_name_and_command(name):
    assert recipe(name).recipe == name
    assert "python main.py" in RECIPES[name].__doc__


def test_lab_is_the_labs_setting():
    lab = recipe("lab")
    assert (lab.stem, lab.optimizer, lab.lr, lab.batch_size) == ("imagenet", "adam", 1e-3, 256)
    assert (lab.augment, lab.schedule, lab.weight_decay, lab.label_smoothing) == (
        "none",
        "constant",
        0.0,
        0.0,
    )


def test_names_on_the_command_line_are_those_that_can_be_built():
    from paddle_cifar import optim
    from paddle_cifar.data import augment
    from paddle_cifar.models import initial

    assert set(AUGMENTATIONS) == {*augment.PER_IMAGE, *augment.MIXING}
    assert set(OPTIMIZERS) == set(optim.OPTIMIZERS)
    assert set(SCHEDULES) == set(optim.SCHEDULES)
    assert set(LOSSES) == set(optim.LOSSES)
    assert set(INITS) == set(initial.INITS)
