import subprocess
import sys

import numpy as np
import pytest

from paddle_cifar.data.labels import FINE_TO_COARSE
from paddle_cifar.errors import RunError
from paddle_cifar.report import evaluate_predictions
from paddle_cifar.report.mistakes import errors_within_superclass, highest_loss, most_confused
from tests.conftest import ROOT
from tests.report import definitions

close = {"rtol": 0, "atol": 1e-6}


def check_level(level, labels, predicted, probabilities):
    """Every measure of a level equals its definition."""
    classes = probabilities.shape[1]
    truth = labels[:, None] == np.arange(classes)
    present = truth.any(axis=0)
    counts = definitions.confusion(labels, predicted, classes)
    np.testing.assert_array_equal(level.confusion, counts)
    np.testing.assert_array_equal(level.support, counts.sum(axis=1))
    precision, recall, f1 = definitions.precision_recall_f1(counts)
    np.testing.assert_allclose(level.precision, precision, **close)
    np.testing.assert_allclose(level.recall, recall, **close)
    np.testing.assert_allclose(level.f1, f1, **close)
    expected = {
        "accuracy": np.mean(labels == predicted),
        "top1_error": np.mean(labels != predicted),
        "macro_f1": f1[present].mean(),
        "micro_ap": definitions.average_precision(truth.ravel(), probabilities.ravel()),
        "micro_auc": definitions.area_under_roc(truth.ravel(), probabilities.ravel()),
    }
    for name, measure, areas in (
        ("mAP", definitions.average_precision, level.pr.areas),
        ("macro_auc", definitions.area_under_roc, level.roc.areas),
    ):
        of_class = [
            measure(truth[:, c], probabilities[:, c]) if present[c] else np.nan for c in range(classes)
        ]
        np.testing.assert_allclose(areas, of_class, **close)
        expected[name] = np.nanmean(of_class)
    for name, value in expected.items():
        assert level.scores[name] == pytest.approx(value, abs=1e-6), name


def test_every_measure_equals_its_definition(predictions):
    logits, labels = predictions
    evaluation = evaluate_predictions(logits, labels)
    probabilities, predicted = definitions.softmax(logits), logits.argmax(axis=1)
    check_level(evaluation.fine, labels, predicted, probabilities)
    scores = evaluation.scores
    assert scores["top1_error"] == pytest.approx(definitions.top_k_error(logits, labels, 1), abs=1e-6)
    assert scores["top5_error"] == pytest.approx(definitions.top_k_error(logits, labels, 5), abs=1e-6)
    losses = -np.log(probabilities[np.arange(len(labels)), labels])
    np.testing.assert_allclose(evaluation.losses, losses, **close)
    assert scores["loss"] == pytest.approx(losses.mean(), abs=1e-6)
    error = definitions.calibration_error(probabilities.max(axis=1), predicted == labels)
    assert scores["ece"] == pytest.approx(error, abs=1e-6) and error > 0.01

    parent = np.array(FINE_TO_COARSE)
    summed = np.stack([probabilities[:, parent == c].sum(axis=1) for c in range(20)], axis=1)
    check_level(evaluation.coarse, parent[labels], parent[predicted], summed)


def test_float32_and_large_logits_give_the_same(predictions):
    logits, labels = predictions
    shifted = evaluate_predictions(logits + 1e4, labels).scores
    assert shifted == pytest.approx(evaluate_predictions(logits, labels).scores, abs=1e-6)
    halved = evaluate_predictions(logits.astype(np.float32), labels.astype(np.int32)).scores
    assert halved == pytest.approx(shifted, abs=1e-4)


def test_the_mean_curves_have_the_areas_that_are_named(predictions):
    """To the accuracy of the grid they are drawn on."""
    logits, labels = predictions
    fine = evaluate_predictions(logits, labels).fine
    for curves in (fine.pr, fine.roc):
        for curve in (curves.micro, curves.macro):
            assert float(np.sum(np.diff(curve.x) * (curve.y[1:] + curve.y[:-1]) / 2)) == pytest.approx(
                curve.area, abs=0.01
            )


def test_a_perfect_network_and_other_class_counts():
    labels = np.arange(40) % 4
    scores = evaluate_predictions(np.eye(4)[labels] * 50, labels).scores
    assert scores["accuracy"] == scores["mAP"] == scores["macro_f1"] == scores["micro_auc"] == 1
    assert scores["top5_error"] == 0 and scores["ece"] < 1e-9
    assert not any(name.startswith("coarse_") for name in scores)


def test_mistakes_are_found():
    labels = np.array([4, 4, 4, 4, 1, 1])
    logits = np.zeros((6, 100))
    for image, (guess, height) in enumerate([(30, 9), (30, 11), (55, 5), (4, 8), (1, 8), (4, 2)]):
        logits[image, guess] = height
    evaluation = evaluate_predictions(logits, labels)
    first, second = most_confused(evaluation.fine, 2)
    assert (first.true, first.predicted, first.count, first.images.tolist()) == (4, 30, 2, [1, 0])
    assert second.count == 1
    assert highest_loss(evaluation, 2).tolist() == [1, 0]
    # beaver (4) -> dolphin (30) twice and -> otter (55): aquatic mammals; aquarium fish (1) -> beaver is not.
    assert errors_within_superclass(evaluation) == pytest.approx(3 / 4)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda z, y: (np.where(np.arange(600)[:, None] == 3, np.nan, z), y),
            "1 of 600 images are not finite",
        ),
        (lambda z, y: (np.where(z > 4, np.inf, z), y), "not finite"),
        (lambda z, y: (z[:, :10], y), "labels go from 0 to 99, but the logits have 10 classes"),
        (lambda z, y: (z, y - 1), "labels go from -1"),
        (lambda z, y: (z, y[:-1]), "(600, 100) and (599,)"),
        (lambda z, y: (z[:0], y[:0]), "(0, 100) and (0,)"),
        (lambda z, y: (z, y * 1.0), "labels must be integers"),
    ],
)
def test_bad_arrays_give_one_clear_line(predictions, change, says):
    with pytest.raises(RunError) as caught:
        evaluate_predictions(*change(*predictions))
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_scikit_learn_is_imported_only_when_it_is_needed(predictions, monkeypatch):
    check = (
        "import sys, paddle_cifar.report.evaluate; "
        "assert not {'sklearn', 'matplotlib', 'paddle', 'visualdl'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", check], cwd=ROOT, check=True)
    monkeypatch.setitem(sys.modules, "sklearn.calibration", None)
    with pytest.raises(RunError, match="pip install scikit-learn"):
        evaluate_predictions(*predictions)
