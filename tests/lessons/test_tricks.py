"""Figures and tables of the second notebook, against what they are made from."""

import numpy as np
import pytest

from paddle_cifar.lessons import tricks as lesson
from paddle_cifar.lessons.walks import ravine
from paddle_cifar.recipes import recipe


def test_a_mosaic_shows_every_picture_pixel_by_pixel():
    rows = np.random.default_rng(0).integers(0, 256, (3, 4, 3, 8, 8), dtype=np.uint8)
    captions = [[f"{row}{column}" for column in range(4)] for row in range(3)]
    (axes,) = lesson.picture_grid(rows, ["a", "b", "c"], list("wxyz"), "title", captions).axes
    mosaic = axes.images[0].get_array()
    down, across = mosaic.shape[0] // 3, mosaic.shape[1] // 4
    for row in range(3):
        for column in range(4):
            picture = mosaic[row * down : row * down + 8, column * across : column * across + 8]
            np.testing.assert_array_equal(picture, rows[row, column].transpose(1, 2, 0))
    assert [text.get_text() for text in axes.texts] == np.ravel(captions).tolist()
    assert [label.get_text() for label in axes.get_xticklabels()] == list("wxyz")


def test_walks_have_a_panel_each_and_no_empty_one():
    walks = {name: np.random.default_rng(0).normal(size=(5, 2)) for name in "abcde"}
    figure = lesson.walks_figure(ravine, walks, "title", (-1, 1), (-1, 1), columns=3)
    assert [axes.get_title(loc="left") for axes in figure.axes] == list("abcde")
    np.testing.assert_array_equal(figure.axes[4].lines[0].get_xydata(), walks["e"])


def test_margins_and_probabilities_by_hand():
    logits = np.array([[3.0, 1.0, -1.0], [1000.0, 0.0, 2.0]])
    np.testing.assert_allclose(lesson.margins_of(logits, np.array([0, 2])), [3.0, -498.0])
    chances = np.exp([3, 1, -1]) / np.exp([3, 1, -1]).sum()
    np.testing.assert_allclose(lesson.softmax(logits), [chances, [1, 0, 0]], atol=1e-12)


def test_the_best_margin_of_smoothed_labels_is_where_their_loss_is_least():
    rng = np.random.default_rng(0)
    figure = lesson.smoothing_figure(0.1, {"one": (rng.normal(size=(50, 100)), rng.integers(0, 100, 50))})
    best = figure.axes[1].lines[0].get_xdata()[0]
    margin = np.linspace(0, 15, 15001)
    rest = np.log(np.exp(margin) + 99)
    loss = 0.901 * (rest - margin) + 0.099 * rest
    assert best == pytest.approx(margin[loss.argmin()], abs=0.01)


def test_recipes_are_compared_by_what_differs():
    table = lesson.recipe_table(["baseline", "lab"])
    assert "| `optimizer` | sgd | adam |" in table and "`momentum`" not in table
    assert recipe("baseline").momentum == recipe("lab").momentum


def test_the_published_table_has_what_the_series_says():
    lines = lesson.published_table().splitlines()
    assert "| tricks | all of these, WRN-40-10 | 84 | 84.37 |" in lines
    assert "| optimizer | Ranger | 65 | – |" in lines
    assert not [line for line in lines if "Muon" in line], "not published"
