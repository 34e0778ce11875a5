from collections import Counter

import numpy as np
import pytest

from paddle_cifar.data.augment.augmix import OPERATIONS as AUGMIX_OPERATIONS
from paddle_cifar.data.augment.augmix import AugMix, Blend
from paddle_cifar.data.augment.operations import NUMBER, OPERATIONS, Steps
from paddle_cifar.data.augment.policies import (
    CIFAR10_POLICY,
    SPACE,
    AutoAugment,
    ColourJitter,
    RandAugment,
    TrivialAugment,
)
from tests.data.augment.images import chance, from_pil, noise, to_pil
from tests.data.augment.test_operations import PILLOW

NAMES = list(OPERATIONS)


def values_of(steps, name):
    return np.unique(np.round(np.abs(steps.value[steps.operation == NUMBER[name]]), 9))


def test_autoaugment_has_torchvisions_25_pairs():
    """Totals of torchvision's table, its None counted as 0: a slip in copying changes one of them."""
    halves = [half for pair in CIFAR10_POLICY for half in pair]
    assert [len(pair) for pair in CIFAR10_POLICY] == [2] * 25
    assert Counter(name for name, _, _ in halves) == Counter(
        Equalize=9, AutoContrast=7, Sharpness=5, TranslateY=5, Color=5, Brightness=4, Solarize=4, Invert=3,
        Contrast=2, TranslateX=2, ShearY=2, Rotate=1, Posterize=1,
    )  # fmt: skip
    assert sum(probability for _, probability, _ in halves) == pytest.approx(26.5)
    assert sum(bin for _, _, bin in halves) == 187


def test_autoaugment_values_are_torchvisions():
    steps = AutoAugment().draw(chance(0, 20_000))
    assert values_of(steps, "Rotate") == pytest.approx([2 * 30 / 9])
    assert values_of(steps, "ShearY") == pytest.approx([7 * 0.3 / 9, 8 * 0.3 / 9])
    assert values_of(steps, "TranslateX") == pytest.approx([150 / 331 * 32 * 8 / 9, 150 / 331 * 32])
    assert values_of(steps, "Posterize") == pytest.approx([5])
    assert values_of(steps, "Solarize") == pytest.approx([255 / 9, 255 * 4 / 9, 255 * 6 / 9, 255 * 7 / 9])
    assert values_of(steps, "Contrast") == pytest.approx([0.3, 0.4, 1.6, 1.7])  # 1 -+ 0.1 * bin


def test_autoaugment_draws_each_operation_as_often_as_the_policy_says():
    count = 50_000
    steps = AutoAugment().draw(chance(1, count))
    for half in (0, 1):
        expected = dict.fromkeys(NAMES, 0.0)
        for pair in CIFAR10_POLICY:
            name, probability, _ = pair[half]
            expected[name] += probability / 25
            expected["Identity"] += (1 - probability) / 25
        drawn = np.bincount(steps.operation[:, half], minlength=len(NAMES)) / count
        assert np.abs(drawn - list(expected.values())).max() < 0.008  # 4 standard deviations
    signed = steps.value[steps.operation == NUMBER["TranslateY"]]
    assert abs((signed > 0).mean() - 0.5) < 0.02


@pytest.mark.parametrize(
    "policy", [AutoAugment(), RandAugment(), RandAugment(30), TrivialAugment(), ColourJitter()]
)
def test_policies_against_pillow_image_by_image(policy):
    images = noise(100)
    steps = policy.draw(chance(2, 100))
    for image, ours, row, values in zip(
        images, policy.apply(images, steps), steps.operation, steps.value, strict=True
    ):
        expected = to_pil(image)
        for number, value in zip(row, values, strict=True):
            expected = PILLOW[NAMES[number]](expected, float(value))
        assert np.array_equal(ours, from_pil(expected))


def test_randaugment_draws_two_of_fourteen_at_one_magnitude():
    steps = RandAugment(10).draw(chance(3, 28_000))
    counts = np.bincount(steps.operation.reshape(-1), minlength=len(NAMES))
    assert len(SPACE) == 14 and counts[NUMBER["Invert"]] == 0
    assert all(abs(counts[NUMBER[name]] - 4000) < 250 for name in SPACE)
    expected = {"Rotate": [10], "ShearX": [0.1], "Posterize": [7], "Solarize": [170], "Color": [0.7, 1.3]}
    for name, values in expected.items():
        assert values_of(steps, name) == pytest.approx(values)


def test_randaugment_of_magnitude_0_leaves_geometry_and_colour_alone():
    images = noise(200)
    steps = RandAugment(0).draw(chance(4, 200))
    changing = [NUMBER[name] for name in ("AutoContrast", "Equalize", "Solarize")]
    kept = ~np.isin(steps.operation, changing).any(1)
    assert kept.sum() > 50 and np.array_equal(RandAugment(0).apply(images, steps)[kept], images[kept])


def test_trivialaugment_draws_one_operation_at_any_magnitude():
    steps = TrivialAugment().draw(chance(5, 50_000))
    assert steps.operation.shape == (50_000, 1)
    assert values_of(steps, "Rotate") == pytest.approx(np.linspace(0, 135, 31))
    assert values_of(steps, "Posterize") == pytest.approx([2, 3, 4, 5, 6, 7, 8])
    assert values_of(steps, "TranslateX").max() == 32 and values_of(steps, "Brightness").max() == 1.99


def test_jitter_draws_three_factors_in_every_order():
    steps = ColourJitter(0.3).draw(chance(6, 6000))
    assert steps.value.min() >= 0.7 and steps.value.max() <= 1.3 and np.ptp(steps.value) > 0.59
    orders, counts = np.unique(steps.operation, axis=0, return_counts=True)
    assert len(orders) == 6 and counts.min() > 850
    assert set(orders[0]) == {NUMBER[name] for name in ("Brightness", "Contrast", "Color")}


def test_augmix_against_pillow_in_float64():
    images = noise(40)
    blend = AugMix().draw(chance(7, 40))
    ours = AugMix().apply(images, blend)
    for index, image in enumerate(images):
        expected = blend.weights[0, index] * image.astype(np.float64)
        for chain in range(3):
            place = chain * 40 + index
            copy = to_pil(image)
            for number, value in zip(blend.chains.operation[place], blend.chains.value[place], strict=True):
                copy = PILLOW[NAMES[number]](copy, float(value))
            expected += blend.weights[1 + chain, index] * from_pil(copy)
        assert np.abs(ours[index] - expected).max() < 0.5 + 1e-4  # rounded once, at the end


def test_augmix_draws_convex_weights_and_mild_operations():
    blend = AugMix(3).draw(chance(8, 5000))
    assert np.allclose(blend.weights.sum(0), 1) and blend.weights.min() >= 0
    assert abs(blend.weights[0].mean() - 0.5) < 0.02
    drawn = {NAMES[number] for number in np.unique(blend.chains.operation)}
    assert drawn == {*AUGMIX_OPERATIONS, "Identity"} and len(AUGMIX_OPERATIONS) == 9
    assert values_of(blend.chains, "Rotate").max() == 8 and values_of(blend.chains, "Solarize").min() == 180
    assert set(values_of(blend.chains, "Posterize")) == {3, 4}
    lengths = (blend.chains.operation != NUMBER["Identity"]).sum(1)
    assert np.abs(np.bincount(lengths, minlength=4) / 15_000 - [0, 1 / 3, 1 / 3, 1 / 3]).max() < 0.02


def test_augmix_of_no_change_is_the_image():
    images = noise(5)
    nothing = Steps(np.full((15, 3), NUMBER["Identity"]), np.zeros((15, 3)))
    assert np.array_equal(AugMix().apply(images, Blend(nothing, np.full((4, 5), 0.25))), images)
