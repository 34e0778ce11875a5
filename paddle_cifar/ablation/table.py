"""A study's table, means and spreads over seeds, with what the series published beside it; and a chart."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from paddle_cifar.ablation.plan import Plan, PlannedRun
from paddle_cifar.ablation.studies import Row
from paddle_cifar.atomic import write_atomically

# Column -> (heading, decimals, whether a fraction shown in percent).
FIGURES: dict[str, tuple[str, int, bool]] = {
    "parameters": ("parameters", 0, False),
    "megabytes": ("MB", 1, False),
    "top1_error": ("top-1 err %", 2, True),
    "top5_error": ("top-5 err %", 2, True),
    "accuracy": ("acc %", 2, True),
    "accuracy_tta": ("acc % with TTA", 2, True),
    "mAP": ("mAP %", 2, True),
    "epochs": ("epochs", 0, False),
    "minutes": ("minutes", 1, False),
}
OPTIONAL = ("accuracy_tta",)


@dataclass(frozen=True)
class Summary:
    """A row of the table: mean and sample standard deviation (``spread``) of each figure over ``seeds`` runs.

    A row that was not trained here has no seeds and no figures.
    """

    row: Row
    network: str
    seeds: int
    mean: dict[str, float]
    spread: dict[str, float]


def write_study(plan: Plan, measured: Sequence[tuple[PlannedRun, dict[str, Any]]]) -> str:
    """Write table.md, table.csv and chart.svg into the study's folder; returns the table as Markdown."""
    from paddle_cifar.report.figures import study_figure
    from paddle_cifar.report.figures.style import to_svg

    summaries = summarise(plan.rows, measured)
    title = f"{plan.study.question} {footnote(plan, measured)}"
    table = as_markdown(summaries)
    text = f"{title}\n\n{table}\n![](chart.svg)\n"
    chart = to_svg(study_figure(summaries, plan.study.question), plan.study.question)
    for name, content in (("table.md", text), ("table.csv", as_csv(summaries)), ("chart.svg", chart)):
        write_atomically(plan.folder / name, content.encode())
    return f"{title}\n\n{table}"


def summarise(rows: Sequence[Row], measured: Sequence[tuple[PlannedRun, dict[str, Any]]]) -> list[Summary]:
    """One summary for each row that was measured or published, in the study's order."""
    summaries = []
    for row in rows:
        runs = [(run, figures_of(run, measures)) for run, measures in measured if run.row.label == row.label]
        if not runs and row.changes is not None:
            continue
        values = {name: [figures[name] for _, figures in runs if name in figures] for name in FIGURES}
        values = {name: numbers for name, numbers in values.items() if numbers}
        summaries.append(
            Summary(
                row,
                runs[0][0].config.model if runs else "",
                len(runs),
                {name: float(np.mean(numbers)) for name, numbers in values.items()},
                {
                    name: float(np.std(numbers, ddof=1))
                    for name, numbers in values.items()
                    if len(numbers) > 1
                },
            )
        )
    return summaries


def figures_of(run: PlannedRun, measures: dict[str, Any]) -> dict[str, float]:
    """Everything the table knows of one run, by column."""
    result = json.loads(run.folder.result.read_text(encoding="utf-8"))
    return {
        "parameters": result["params"],
        "megabytes": result["params"] * 4 / 2**20,
        "epochs": result["epochs"],
        "minutes": result["seconds"] / 60,
        **{name: value for name, value in measures.items() if name in FIGURES},
    }


def footnote(plan: Plan, measured: Sequence[tuple[PlannedRun, dict[str, Any]]]) -> str:
    """What the figures were measured on, in one paragraph."""
    run, measures = measured[0]
    images = f"{measures['images']:,}"
    where = (
        f"{images} images held out of the training set of {run.config.dataset}"
        if measures["split"] == "val"
        else f"the {images} test images of {run.config.dataset}"
    )
    planned = len({one.config.seed for one in plan.runs})
    spread = f", mean ± standard deviation over {planned} seeds" if planned > 1 else ", one seed"
    published = "; published: 200 epochs, test images" if any(row.published for row in plan.rows) else ""
    return f"Measured on {where}, weights of the last epoch, single view{spread}{published}."


def as_markdown(summaries: Sequence[Summary]) -> str:
    """The table for a README; scores in percent, the published figures beside ours."""
    columns, published = _columns(summaries)
    headings = ["configuration", "network"]
    for name in columns:
        headings += [FIGURES[name][0], *(["published"] if name in published else [])]
    lines = [headings, ["---", "---", *["---:"] * (len(headings) - 2)]]
    most = max(one.seeds for one in summaries)
    for one in summaries:
        # A run that failed, or is still to come, must not be missed.
        missing = f" ({one.seeds} of {most} seeds)" if 0 < one.seeds < most else ""
        cells = [one.row.label + missing, one.network or "–"]
        for name in columns:
            cells.append(_shown(name, one.mean.get(name), one.spread.get(name, 0.0)))
            if name in published:
                cells.append(_shown(name, one.row.published.get(name)))
        lines.append(cells)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def as_csv(summaries: Sequence[Summary]) -> str:
    """The table for programs: fractions, ``_spread`` and ``_published`` columns, empty where not known."""
    columns, published = _columns(summaries)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    headings = ["configuration", "network", "seeds"]
    for name in columns:
        headings += [name, f"{name}_spread", *([f"{name}_published"] if name in published else [])]
    writer.writerow(headings)
    for one in summaries:
        cells: list[Any] = [one.row.label, one.network, one.seeds]
        for name in columns:
            values = [one.mean.get(name), one.spread.get(name)]
            values += [one.row.published.get(name)] if name in published else []
            cells += ["" if value is None else f"{value:.10g}" for value in values]
        writer.writerow(cells)
    return text.getvalue()


def _columns(summaries: Sequence[Summary]) -> tuple[list[str], set[str]]:
    """The columns that are shown, and those of them with anything published."""
    published = {name for one in summaries for name in one.row.published}
    known = published | {name for one in summaries for name in one.mean}
    return [name for name in FIGURES if name not in OPTIONAL or name in known], published


def _shown(name: str, value: float | None, spread: float = 0.0) -> str:
    if value is None or math.isnan(value):
        return "–"
    _, decimals, percent = FIGURES[name]
    factor = 100 if percent else 1
    shown = f"{factor * value:,.{decimals}f}"
    return f"{shown} ± {factor * spread:.{decimals}f}" if percent and spread else shown
