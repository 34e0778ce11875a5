"""The pictures of the lesson show what they say."""

import numpy as np
import pytest

from paddle_cifar.data.cifar100 import Cifar100
from paddle_cifar.lessons.blocks import DRAWINGS, block_figure
from paddle_cifar.lessons.pictures import class_sheet_figure, guesses_figure, predictions_figure
from paddle_cifar.prediction.classifier import Guess
from tests.data.archives import small_archive

GUESSES = [Guess("maple_tree", "trees", 47, 0.75), Guess("apple", "fruit_and_vegetables", 0, 0.125)]


def words(figure):
    found = [text.get_text() for text in figure.texts]
    for axes in figure.get_axes():
        found += [axes.get_title(loc) for loc in ("left", "center")]
        found += [text.get_text() for text in [*axes.texts, *axes.get_xticklabels(), *axes.get_yticklabels()]]
    return [word for word in found if word]


def test_the_class_sheet_shows_an_image_of_each_class_that_has_one():
    dataset = Cifar100.from_archive(small_archive(), "train")  # 12 images: most classes have none
    figure = class_sheet_figure(dataset)
    shown = {
        axes.get_title("center").replace(" ", "_"): axes.images[0].get_array()
        for axes in figure.get_axes()
        if axes.images
    }
    assert set(shown) == {dataset.fine_names[label] for label in dataset.fine_labels}
    for name, image in shown.items():
        first = np.flatnonzero(dataset.fine_labels == dataset.fine_names.index(name))[0]
        assert np.array_equal(image, dataset.images[first].transpose(1, 2, 0))
    assert len(figure.get_axes()) == 100


def test_predictions_are_counted():
    images = np.zeros((3, 3, 32, 32), np.uint8)
    names = [f"class_{index}" for index in range(100)]
    figure = predictions_figure(images, np.array([47, 1, 47]), names, [GUESSES] * 3)
    assert words(figure)[0].startswith("2 of 3 right")
    assert sum("is: class 1" in word for word in words(figure)) == 1


@pytest.mark.parametrize("picture", ["file", "array"])
def test_guesses_of_a_picture(tmp_path, picture):
    from PIL import Image

    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(image).save(tmp_path / "p.png")
    figure = guesses_figure(tmp_path / "p.png" if picture == "file" else image, GUESSES)
    assert np.array_equal(figure.axes[0].images[0].get_array(), image)
    assert {"Best guess: maple tree", "75.0 %", "12.5 %", "apple (fruit and vegetables)"} <= set(
        words(figure)
    )


def test_every_block_is_drawn():
    found = words(block_figure())
    assert [drawing.title for drawing in DRAWINGS] == [
        word for word in found if word in {d.title for d in DRAWINGS}
    ]
    assert found.count("+") == 3 and found.count("x") == found.count("y") == 4
