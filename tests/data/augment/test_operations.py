"""Every operation against Pillow, bit for bit."""

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from paddle_cifar.data.augment.affine import affine
from paddle_cifar.data.augment.operations import NUMBER, OPERATIONS, Steps
from tests.data.augment.images import awkward, from_pil, noise, to_pil


def mapped(image, *matrix):
    return image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.NEAREST)


PILLOW = {
    "Identity": lambda image, value: image,
    "ShearX": lambda image, value: mapped(image, 1, value, 0, 0, 1, 0),
    "ShearY": lambda image, value: mapped(image, 1, 0, 0, value, 1, 0),
    "TranslateX": lambda image, value: mapped(image, 1, 0, int(value), 0, 1, 0),
    "TranslateY": lambda image, value: mapped(image, 1, 0, 0, 0, 1, int(value)),
    "Rotate": lambda image, value: image.rotate(value),
    "AutoContrast": lambda image, value: ImageOps.autocontrast(image),
    "Invert": lambda image, value: ImageOps.invert(image),
    "Equalize": lambda image, value: ImageOps.equalize(image),
    "Solarize": lambda image, value: ImageOps.solarize(image, value),
    "Posterize": lambda image, value: ImageOps.posterize(image, int(value)),
    "Contrast": lambda image, value: ImageEnhance.Contrast(image).enhance(value),
    "Color": lambda image, value: ImageEnhance.Color(image).enhance(value),
    "Brightness": lambda image, value: ImageEnhance.Brightness(image).enhance(value),
    "Sharpness": lambda image, value: ImageEnhance.Sharpness(image).enhance(value),
}
FACTORS = [*np.linspace(0, 2, 21), 0.01, 0.37, 1.99, 3.0]
VALUES = {
    "Identity": [0],
    "ShearX": [*np.linspace(-0.99, 0.99, 23), 1 / 3],
    "ShearY": [*np.linspace(-0.99, 0.99, 23), 1 / 3],
    "TranslateX": [-32, -14.5, -7.2, -0.9, 0, 0.9, 1, 14.5, 31, 32],
    "TranslateY": [-32, -14.5, -7.2, -0.9, 0, 0.9, 1, 14.5, 31, 32],
    "Rotate": [*np.linspace(-135, 135, 37), 20 / 3],
    "AutoContrast": [0],
    "Invert": [0],
    "Equalize": [0],
    "Solarize": [0, 28.333333, 100, 198.3333, 255, 256],
    "Posterize": range(1, 9),
    "Contrast": FACTORS,
    "Color": FACTORS,
    "Brightness": FACTORS,
    "Sharpness": FACTORS,
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_is_pillows(name):
    images = awkward()
    for value in VALUES[name]:
        ours = OPERATIONS[name](images, np.full(len(images), value))
        assert ours.dtype == np.uint8
        for index, image in enumerate(images):
            expected = from_pil(PILLOW[name](to_pil(image), float(value)))
            assert np.array_equal(ours[index], expected), (value, index)


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_image_has_its_own_value(name):
    images, values = noise(len(list(VALUES[name]))), np.array(list(VALUES[name]), float)
    together = OPERATIONS[name](images, values)
    for index in range(len(images)):
        alone = OPERATIONS[name](images[index : index + 1], values[index : index + 1])
        assert np.array_equal(together[index], alone[0])


def test_any_affine_map_is_pillows():
    rng = np.random.default_rng(3)
    images = noise(40)
    matrices = rng.normal(0, 1, (40, 6)) * (1, 1, 20, 1, 1, 20)
    for moved, image, matrix in zip(affine(images, matrices), images, matrices, strict=True):
        assert np.array_equal(moved, from_pil(mapped(to_pil(image), *matrix)))


def test_steps_are_carried_out_in_order_image_by_image():
    rng = np.random.default_rng(2)
    names = list(OPERATIONS)
    images = noise(60)
    operation = rng.integers(len(names), size=(60, 3))
    value = np.array([[rng.choice(list(VALUES[names[number]])) for number in row] for row in operation])
    before = images.copy()
    changed = Steps(operation, value).apply(images)
    assert np.array_equal(images, before)
    for image, row, values, ours in zip(images, operation, value, changed, strict=True):
        expected = to_pil(image)
        for number, own in zip(row, values, strict=True):
            expected = PILLOW[names[number]](expected, float(own))
        assert np.array_equal(ours, from_pil(expected))


def test_numbers_are_places_in_the_table():
    assert [list(OPERATIONS)[number] for number in NUMBER.values()] == list(NUMBER)
