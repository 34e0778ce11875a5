import numpy as np
import pytest

from paddle_cifar.data.augment import MIXING, PER_IMAGE, augment, build_augmentations, build_mixing
from paddle_cifar.data.augment.geometry import RandomCrop, RandomFlip
from paddle_cifar.data.names import AUGMENTATIONS, parse_augmentations
from paddle_cifar.errors import UsageError
from tests.data.augment.images import chance, noise


@pytest.mark.parametrize("name", PER_IMAGE)
def test_every_augmentation_is_a_function_of_its_chance_and_leaves_its_input(name):
    images = noise(60)
    chain = build_augmentations(name)
    first = augment(images, chain, chance(5, 60))
    assert np.array_equal(first, augment(images, chain, chance(5, 60)))
    assert not np.array_equal(first, augment(images, chain, chance(6, 60)))
    assert np.array_equal(images, noise(60))
    assert first.dtype == np.uint8 and first.shape == images.shape and not np.array_equal(first, images)


@pytest.mark.parametrize("name", PER_IMAGE)
def test_a_batch_of_one_is_fine(name):
    for seed in range(20):
        assert augment(noise(1), build_augmentations(name), chance(seed, 1)).shape == (1, 3, 32, 32)


@pytest.mark.parametrize("name", [name for name, strength in AUGMENTATIONS.items() if strength])
def test_default_in_the_list_of_names_is_the_constructors_and_both_ends_can_be_built(name):
    strength = AUGMENTATIONS[name]
    build = build_mixing if name in MIXING else build_augmentations
    (plain,), (given,) = build(name), build(f"{name}:{strength.default:g}")
    own = {**PER_IMAGE, **MIXING}[name]()
    for key, value in vars(own).items():
        assert np.array_equal(value, vars(plain)[key]) and np.array_equal(value, vars(given)[key])
    for end in (strength.lowest, strength.highest):
        (made,) = build(f"{name}:{end:g}")
        made.draw(chance(0, 50))


@pytest.mark.parametrize("text", ["none", "", " ", "none,", "mixup"])
def test_none_is_empty(text):
    assert build_augmentations(text) == []


def test_order_is_kept_and_mixing_apart():
    text = "mixup:0.4, flip, crop : 2,cutmix"
    assert [type(made) for made in build_augmentations(text)] == [RandomFlip, RandomCrop]
    assert build_augmentations(text)[1].padding == 2
    assert [vars(made) for made in build_mixing(text)] == [{"alpha": 0.4}, {"alpha": 1.0}]


@pytest.mark.parametrize(
    "part",
    "crop:17 crop:-1 crop:1.5 crop: crop:x crop:2:3 flip:0.5 autoaugment:1 erasing:1.01 erasing:nan "
    "rotation:inf mixup:0 cutout:0 randaugment:31 augmix:0".split(),
)
def test_an_impossible_strength_is_named(part):
    with pytest.raises(UsageError, match=f"--augment {part}") as failure:
        parse_augmentations(f"crop,{part},flip")
    assert "\n" not in str(failure.value)


def test_unknown_augmentation_offers_the_nearest():
    with pytest.raises(UsageError, match="did you mean crop"):
        build_augmentations("flip,cropp:2")
