"""``python main.py report``: from a run's folder to report.html, report.json and VisualDL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from paddle_cifar.atomic import write_atomically
from paddle_cifar.report.graph import GraphTracer
from paddle_cifar.report.page import build_page
from paddle_cifar.report.subject import examine, save_scores
from paddle_cifar.report.text import Text
from paddle_cifar.report.visualdl_log import write_visualdl


def report_run(folder: Path, overrides: dict[str, Any] | None = None, language: str = "en") -> Path:
    """Evaluate a run on its test images and write everything there is to see about it.

    Writes into the run's folder: report.html, report.json, and vdl/report-<run>/ for VisualDL.

    Args:
        folder: outputs/<run>; a run that is still going on may be reported too.
        overrides: config fields to replace: data_file, device, batch_size, threads, limit_steps.
        language: "en" or "zh".

    Returns:
        The path of report.html.

    Raises:
        RunError: one line, for a folder without a run or without weights, for weights of another
            class count, for logits that are not finite, and for data that cannot be read.
    """
    text = Text(language)
    subject = examine(Path(folder), overrides or {})
    config = subject.record.config
    page = subject.record.run.path / "report.html"
    with GraphTracer(config.model, config.stem) as graph:
        save_scores(subject)
        write_atomically(page, build_page(subject, text).encode())
        write_visualdl(subject, text, graph)
    return page
