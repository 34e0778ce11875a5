"""``python main.py compare``: several runs in one table, one chart and one set of curves."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from paddle_cifar.atomic import write_atomically
from paddle_cifar.errors import UsageError
from paddle_cifar.report import figures, html
from paddle_cifar.report.figures.style import to_svg
from paddle_cifar.report.record import Record, read_record
from paddle_cifar.report.standing import Standing, standing
from paddle_cifar.report.tables import as_csv, as_html, as_markdown
from paddle_cifar.report.text import Text
from paddle_cifar.report.visualdl_log import open_log

HPARAMS = ("model", "stem", "recipe", "optimizer", "schedule", "lr", "batch_size", "weight_decay", "epochs")


def compare_runs(
    folders: Sequence[Path],
    to: Path | None = None,
    overrides: dict[str, Any] | None = None,
    language: str = "en",
) -> tuple[Path, str]:
    """Compare runs. A run with weights but without a report is evaluated on its test images first.

    Writes table.md, table.csv, scores.svg, curves.svg and compare.html (all of it in one file), and
    vdl/, where VisualDL shows hyper-parameters against scores, one row a run.

    Args:
        folders: of the runs, outputs/<run>.
        to: folder to write into (default: ``comparison`` beside the first run).
        overrides: config fields to replace while evaluating, as for ``report_run``.
        language: "en" or "zh".

    Returns:
        The folder written, and the table as Markdown.

    Raises:
        UsageError: when ``to`` is the folder of a run. RunError: when one of ``folders`` is not.
    """
    if to and (Path(to) / "config.json").exists():  # what VisualDL shows of it would be replaced
        raise UsageError(f"--to {to} is the folder of a run; choose another one")
    text = Text(language)
    folders = [Path(folder) for folder in folders]
    strangers = [folder for folder in folders if folder.is_dir() and not (folder / "config.json").exists()]
    # One that is missing altogether is a mistake, and so is one alone; read_record says which.
    if len(strangers) < len(folders):
        for folder in strangers:
            print(f"left out {folder}: not the folder of a run", file=sys.stderr)
        folders = [folder for folder in folders if folder not in strangers]
    records = labelled(folders)
    standings = {label: standing(record, overrides or {}) for label, record in records.items()}
    to = Path(to) if to else folders[0].resolve().parent / "comparison"
    to.mkdir(parents=True, exist_ok=True)
    curves = to_svg(figures.overlaid_curves_figure(records, text), text("curves"))
    scores = to_svg(figures.scores_figure(standings, text), text("top1_error"))
    table = as_markdown(standings, text) + "".join(f"\n{line}\n" for line in remarks(standings, text))
    images = "\n![](scores.svg)\n\n![](curves.svg)\n"
    for name, content in (
        ("table.md", table + images),
        ("table.csv", as_csv(standings)),
        ("scores.svg", scores),
        ("curves.svg", curves),
        ("compare.html", _page(standings, scores, curves, text)),
    ):
        write_atomically(to / name, content.encode())
    _write_visualdl(records, standings, to / "vdl")
    return to, table


def labelled(folders: Sequence[Path]) -> dict[str, Record]:
    """Each run under the shortest end of its path that no other shares; UsageError for one given twice."""
    paths = [folder.resolve() for folder in folders]
    for path, folder in zip(paths, folders, strict=True):
        if paths.count(path) > 1:
            raise UsageError(f"{folder} is given twice; name each run once")
    depth = 1
    while len({path.parts[-depth:] for path in paths}) < len(paths):
        depth += 1
    return {
        "/".join(path.parts[-depth:]): read_record(folder)
        for path, folder in zip(paths, folders, strict=True)
    }


def _page(standings: Mapping[str, Standing], scores: str, curves: str, text: Text) -> str:
    title = text("comparison", count=len(standings))
    notes = [html.note(line) for line in remarks(standings, text)]
    body = (
        f"<header><h1>{escape(title)}</h1></header>\n{as_html(standings, text)}{''.join(notes)}"
        + html.section("scores", text("top1_error"), html.figure(scores))
        + html.section("training", text("curves"), html.figure(curves))
    )
    return html.document(text.language, title, body, ("tables.js",))


def remarks(standings: Mapping[str, Standing], text: Text) -> list[str]:
    """What to beware of when reading the table."""
    found = []
    if any(one.scores_missing for one in standings.values()):
        found.append(text("incomplete"))
    if len({one.test_images for one in standings.values()}) > 1:
        found.append(text("different_data"))
    return found


def _write_visualdl(records: Mapping[str, Record], standings: Mapping[str, Standing], folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    for label, one in standings.items():
        config = records[label].config
        values = {name: getattr(config, name) for name in HPARAMS}
        # VisualDL accepts numbers and strings only.
        values = {key: value if type(value) in (int, float) else str(value) for key, value in values.items()}
        run = folder / label.replace("/", "-")
        run.mkdir(parents=True)
        with open_log(run, "vdlrecords.compare.log") as writer:
            writer.add_hparams(values, [f"score/{name}" for name in one.known_scores])
            for name, value in one.known_scores.items():
                writer.add_scalar(f"score/{name}", value, one.epochs)
