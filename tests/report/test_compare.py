import csv
import json
import shutil
from xml.etree import ElementTree

import pytest

from paddle_cifar.cli import main
from paddle_cifar.report.compare import labelled
from paddle_cifar.report.standing import COLUMNS


def test_the_table_holds_the_series_columns(reported):
    with open(reported / "outputs/comparison/table.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["run"] for row in rows] == ["first", "second"]
    assert list(rows[0]) == ["run", *COLUMNS]
    run = reported / "outputs/first"
    result, report = (json.loads((run / name).read_text()) for name in ("result.json", "report.json"))
    expected = {
        **report["scores"],
        "params": result["params"],
        "epochs": 2,
        "minutes": result["seconds"] / 60,
    }
    for name in ("params", "top1_error", "top5_error", "accuracy", "mAP", "epochs", "minutes"):
        assert float(rows[0][name]) == pytest.approx(expected[name], rel=1e-4), name
    assert float(rows[0]["megabytes"]) == pytest.approx(result["params"] * 4 / 2**20, rel=1e-4)
    assert rows[0]["network"] == "lenet"


def test_markdown_charts_and_page(reported):
    folder = reported / "outputs/comparison"
    markdown = (folder / "table.md").read_text(encoding="utf-8").splitlines()
    assert markdown[0].startswith(
        "| run | network | parameters | MB | top-1 err % | top-5 err % | acc % | mAP %"
    )
    assert all(line.count("|") == 11 for line in markdown[:4])
    assert (reported / "compare.txt").read_text().startswith("\n".join(markdown[:4]))
    for name, says in (("scores.svg", "lowest error"), ("curves.svg", "second")):
        drawing = ElementTree.parse(folder / name)
        assert says in "".join(drawing.getroot().itertext()), name
    page = (folder / "compare.html").read_text(encoding="utf-8")
    assert page.count("<svg ") == 2 and "2 runs compared" in page and "Beware" not in page


def test_runs_of_one_name_are_told_apart(trained, tmp_path):
    for place in ("mine", "theirs"):
        shutil.copytree(trained / "outputs/first", tmp_path / place / "outputs/first")
    records = labelled([tmp_path / "mine/outputs/first", tmp_path / "theirs/outputs/first"])
    assert list(records) == ["mine/outputs/first", "theirs/outputs/first"]


def test_an_outdated_report_is_made_anew(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained / "outputs/first", "first")
    arguments = ["compare", "--runs", "first", "--to", "here", "--lang", "zh"]
    assert main(arguments) == 0 and "evaluating first" in capsys.readouterr().out
    assert main(arguments) == 0 and "evaluating first" not in capsys.readouterr().out
    report = json.loads((tmp_path / "first/report.json").read_text())
    (tmp_path / "first/report.json").write_text(json.dumps({**report, "history_epochs": 1}))
    assert main(arguments) == 0 and "evaluating first" in capsys.readouterr().out
    assert "1 次训练的比较" in (tmp_path / "here/compare.html").read_text(encoding="utf-8")


def test_a_run_is_not_written_into(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained / "outputs/first", "first")
    before = sorted((tmp_path / "first").rglob("*"))
    assert main(["compare", "--runs", "first", "--to", "first"]) == 2
    assert "is the folder of a run" in capsys.readouterr().err
    assert sorted((tmp_path / "first").rglob("*")) == before, "its curves above all"


def test_folders_that_are_no_runs_are_left_out_but_not_all(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained / "outputs/first", "first")
    (tmp_path / "comparison").mkdir()
    assert main(["compare", "--runs", "comparison", "first", "--to", "here"]) == 0
    assert "left out comparison" in capsys.readouterr().err
    for mistaken in (["comparison"], ["first", "missing"]):
        assert main(["compare", "--runs", *mistaken, "--to", "there"]) == 1
        error = capsys.readouterr().err
        assert "left out" not in error and mistaken[-1] in error
