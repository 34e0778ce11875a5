import csv
import io
import json
from xml.etree import ElementTree

import pytest

from paddle_cifar.ablation.plan import plan
from paddle_cifar.ablation.table import as_csv, as_markdown, summarise, write_study

BUDGET = {"dataset": "synthetic", "synthetic_size": 500, "epochs": 3, "batch_size": 64}


@pytest.fixture
def measured(tmp_path):
    """A study of two rows and two seeds, of which the last run is missing; figures are made up."""
    planned = plan(
        "augment", BUDGET, seeds=2, only=["none", "crop, flip, rotation"], to=str(tmp_path / "study")
    )
    accuracies = [0.60, 0.64, 0.70]
    runs = []
    for run, accuracy in zip(planned.runs, accuracies, strict=False):
        run.folder.path.mkdir(parents=True)
        run.folder.result.write_text(json.dumps({"params": 11_220_132, "epochs": 3, "seconds": 90}))
        errors = {"top1_error": 1 - accuracy, "top5_error": 0.1}
        runs.append((run, {"split": "val", "images": 50, "accuracy": accuracy, **errors, "mAP": 0.5}))
    return planned, runs


def test_mean_and_spread_over_seeds(measured):
    planned, runs = measured
    none, rotation = summarise(planned.rows, runs)
    assert none.mean["accuracy"] == pytest.approx(0.62) and none.seeds == 2
    assert none.spread["accuracy"] == pytest.approx(0.04 / 2**0.5), "of a sample: n - 1"
    assert rotation.mean["accuracy"] == 0.70 and "accuracy" not in rotation.spread and rotation.seeds == 1
    assert none.mean["minutes"] == 1.5 and none.mean["megabytes"] == pytest.approx(42.8, abs=0.05)


def test_markdown_has_the_series_columns_and_its_figures_beside_ours(measured):
    planned, runs = measured
    lines = as_markdown(summarise(planned.rows, runs)).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0] == [
        *("configuration", "network", "parameters", "MB", "top-1 err %", "top-5 err %", "acc %", "published"),
        *("mAP %", "epochs", "minutes"),
    ]
    assert cells[2][:8] == [
        "none",
        "resnet18",
        "11,220,132",
        "42.8",
        "38.00 ± 2.83",
        "10.00",
        "62.00 ± 2.83",
        "–",
    ]
    assert cells[3][6:8] == ["70.00", "78.00"] and cells[3][0] == "crop, flip, rotation (1 of 2 seeds)"
    assert all(len(row) == len(cells[0]) for row in cells)


def test_csv_is_exact_and_empty_where_nothing_is_known(measured):
    planned, runs = measured
    none, rotation = csv.DictReader(io.StringIO(as_csv(summarise(planned.rows, runs))))
    assert float(none["accuracy"]) == pytest.approx(0.62) and none["accuracy_published"] == ""
    assert (rotation["accuracy"], rotation["accuracy_spread"], rotation["accuracy_published"]) == (
        "0.7",
        "",
        "0.78",
    )
    assert (none["seeds"], rotation["seeds"], none["parameters"]) == ("2", "1", "11220132")


def test_files_say_what_was_measured_on(measured):
    planned, runs = measured
    table = write_study(planned, runs)
    assert "50 images held out of the training set of synthetic" in table and "over 2 seeds" in table
    assert (planned.folder / "table.md").read_text(encoding="utf-8").startswith(table)
    assert (planned.folder / "table.csv").exists()
    text = "".join(ElementTree.parse(planned.folder / "chart.svg").getroot().itertext())
    assert "62.00 %" in text and "crop, flip, rotation" in text and "published" in text


def test_a_row_that_is_only_published_stands_without_figures():
    planned = plan("tricks", BUDGET)
    (row,) = summarise(planned.rows, [])
    assert row.network == "" and row.mean == {} and row.row.published["accuracy_tta"] == 0.8437
    assert "84.37" in as_markdown([row]) and "acc % with TTA" in as_markdown([row])
