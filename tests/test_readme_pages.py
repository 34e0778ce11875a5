"""The pages people read: both languages say the same, links lead somewhere, the picture is up to date."""

import dataclasses
import importlib.util
import json
import re
import shlex

import pytest

from paddle_cifar import cli
from paddle_cifar.config import TrainConfig
from paddle_cifar.data.sizes import epoch_sides
from paddle_cifar.recipes import configure, recipe
from paddle_cifar.runs import MACHINE_FIELDS
from tests import readme_commands as readme
from tests.conftest import ROOT
from tests.readme_commands import CHINESE, ENGLISH, PAGES

RUNS = ROOT / "benchmarks" / "runs"


def test_both_languages_have_the_same_commands_and_examples():
    english, chinese = readme.text_of(ENGLISH), readme.text_of(CHINESE)
    assert set(readme.commands(english)) == set(readme.commands(chinese))
    without_comments = [
        [re.sub(r"#.*", "", block) for block in readme.python_blocks(text)] for text in (english, chinese)
    ]
    assert without_comments[0] == without_comments[1]


def test_both_languages_have_the_same_sections_and_figures():
    english, chinese = readme.text_of(ENGLISH), readme.text_of(CHINESE)
    for mark in (r"^#+ ", r"^\|", r"^```", r"^\*\*"):  # headings, rows of tables, blocks, questions
        counts = [len(re.findall(mark, text, re.MULTILINE)) for text in (english, chinese)]
        assert counts[0] == counts[1], mark
    figures = [set(re.findall(r"\d[\d,.]*\d", text)) for text in (english, chinese)]
    assert figures[0] == figures[1]


@pytest.mark.parametrize("page", PAGES)
def test_no_command_is_broken_over_two_lines(page):
    """It would not be found as one."""
    text = re.sub(r"^```.*?^```", "", readme.text_of(page), flags=re.DOTALL | re.MULTILINE)
    assert not [line for line in text.splitlines() if line.count("`") % 2]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    text = readme.text_of(page)
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file.read_text(encoding="utf-8")), target


def anchors(text):
    """What code-hosting pages call the headings of a Markdown text."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", (ENGLISH, CHINESE))
def test_the_map_of_the_files_is_right(page):
    """Every file and folder that a page names is there, in the project or in the package."""
    spans = re.findall(r"`([\w./-]+(?:\.py|\.ipynb|\.txt|\.md|/))`", readme.text_of(page))
    made = (".venv/bin/", "data/", "checkpoints/", "vdl/", "labels.txt")  # by a run, an export, or the user
    package = ROOT / "paddle_cifar"
    missing = [
        span
        for span in spans
        if span not in made
        and not any((folder / span).exists() for folder in (ROOT, package, *package.glob("*/")))
    ]
    assert len(spans) > 40 and not missing


# Their recipes have changed since, in these settings.
CHANGED_SINCE = {
    "packaged-airbench_64_256_352": {"init_scale", "curve_images"},
}


@pytest.mark.parametrize(
    "run", sorted(path.parent for path in RUNS.glob("*/result.json")), ids=lambda run: run.name
)
def test_a_recorded_command_gives_the_recorded_settings(run):
    words = shlex.split(json.loads((run / "result.json").read_text())["command"])[2:]
    given = vars(cli.build_parser().parse_args(["train", *words]))
    del given["command"]
    now = dataclasses.asdict(configure(given))
    recorded = dataclasses.asdict(TrainConfig.read(run / "config.json"))
    differ = {name for name in now if now[name] != recorded[name]} - MACHINE_FIELDS
    assert differ == CHANGED_SINCE.get(run.name, set())


def test_the_real_run_is_the_default_and_as_described():
    assert configure({}) == configure({"epochs": 20, "lr": 0.01})
    assert epoch_sides(recipe("default").sizes, 20) == [16] * 10 + [24] * 4 + [32] * 6


def test_the_picture_shows_every_recorded_run():
    spec = importlib.util.spec_from_file_location("draw_results", ROOT / "benchmarks" / "draw_results.py")
    draw_results = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(draw_results)
    settings = draw_results.recorded(draw_results.RUNS)
    accuracies = [draw_results.mean_accuracy(records) for records in settings]
    assert accuracies == sorted(accuracies, reverse=True) and 0.4083 in accuracies
    assert sum(map(len, settings)) == len(list(draw_results.RUNS.glob("*/result.json")))
    picture = draw_results.PICTURE.read_text(encoding="utf-8")
    for records in settings:
        assert draw_results.label(records) in picture, "run: python benchmarks/draw_results.py"
