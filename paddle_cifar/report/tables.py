"""The table of a comparison as Markdown, CSV and HTML."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping

from paddle_cifar.report import html
from paddle_cifar.report.standing import COLUMNS, SCORES, Standing
from paddle_cifar.report.text import Text

HEADINGS = {
    "network": "network",
    "params": "parameters",
    "megabytes": "megabytes",
    "top1_error": "top1_percent",
    "top5_error": "top5_percent",
    "accuracy": "accuracy_percent",
    "mAP": "mAP_percent",
    "epochs": "epochs",
    "minutes": "minutes",
}


def as_markdown(standings: Mapping[str, Standing], text: Text) -> str:
    """The table for a README; scores in percent."""
    headings = [text("run"), *(text(HEADINGS[name]) for name in COLUMNS)]
    lines = [headings, ["---", "---", *["---:"] * (len(headings) - 2)]]
    for label, one in standings.items():
        lines.append([_escaped(label), *(_shown(name, getattr(one, name)) for name in COLUMNS)])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def as_csv(standings: Mapping[str, Standing]) -> str:
    """The table for programs: scores as fractions, empty where not known."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["run", *COLUMNS])
    for label, one in standings.items():
        values = [getattr(one, name) for name in COLUMNS]
        writer.writerow([label, *("" if _unknown(value) else _plain(value) for value in values)])
    return text.getvalue()


def as_html(standings: Mapping[str, Standing], text: Text) -> str:
    """The table for the page, sortable; scores in percent."""
    headings = [text("run"), *(text(HEADINGS[name]) for name in COLUMNS)]
    rows = []
    for label, one in standings.items():
        values = [getattr(one, name) * (100 if name in SCORES else 1) for name in COLUMNS]
        rows.append([label, *values])
    return html.table(headings, rows, digits=2)


def _shown(name: str, value: str | float) -> str:
    if _unknown(value):
        return "–"
    if name in SCORES:
        return f"{100 * value:.2f}"
    if isinstance(value, str):
        return _escaped(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.1f}"


def _plain(value: str | float) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _unknown(value: str | float) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")
