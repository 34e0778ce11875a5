"""report.html: one file, in English or Chinese, that opens without a connection."""

from __future__ import annotations

import json
from html import escape
from importlib import metadata
from typing import Any

import numpy as np

from paddle_cifar import __version__
from paddle_cifar.report import facts, html, sections
from paddle_cifar.report.areas import Curve
from paddle_cifar.report.evaluate import Level
from paddle_cifar.report.figures.confusion import grouped_order
from paddle_cifar.report.subject import Subject
from paddle_cifar.report.text import Text

CARDS = ("accuracy", "top1_error", "top5_error", "mAP", "macro_f1", "ece", "coarse_accuracy")


def build_page(subject: Subject, text: Text) -> str:
    """The report as HTML."""
    parts = (
        ("training", "curves", sections.training(subject, text)),
        ("areas", "areas", sections.areas(subject, text)),
        ("confusion", "confusion", sections.confusion(subject, text)),
        ("pairs", "pairs", sections.pairs(subject, text)),
        ("missed", "missed", sections.missed(subject, text)),
        ("reliability", "reliability", sections.calibration(subject, text)),
        ("classes", "classes", sections.classes(subject, text)),
        ("superclasses", "superclasses", sections.superclasses(subject, text)),
        ("settings", "settings", facts.settings(subject, text)),
        ("machine", "machine", facts.machine(subject, text)),
    )
    title = text("report_of", name=subject.record.name)
    links = "".join(
        f'<a href="#{identifier}">{escape(text(heading))}</a>' for identifier, heading, _ in parts
    )
    origin = text("made_with", version=__version__, sklearn=metadata.version("scikit-learn"))
    body = (
        f"<header><h1>{escape(title)}</h1>{facts.lead(subject, text)}<nav>{links}</nav></header>\n"
        + _cards(subject, text)
        + "".join(html.section(identifier, text(heading), content) for identifier, heading, content in parts)
        + f"<footer>{escape(origin)}</footer>\n"
    )
    data = json.dumps(page_data(subject, text), separators=(",", ":"), ensure_ascii=False)
    return html.document(text.language, title, body, ("tables.js", "page.js"), data)


def _cards(subject: Subject, text: Text) -> str:
    scores = subject.evaluation.scores
    cards = "".join(
        f"<div><b>{100 * scores[name]:.2f} %</b><span>{escape(text(name))}</span></div>"
        for name in CARDS
        if name in scores
    )
    return f'<div class="scores">{cards}</div>\n'


def page_data(subject: Subject, text: Text) -> dict[str, Any]:
    """What page.js draws on demand: curves in thousandths, and the cells of the confusion matrices."""
    evaluation = subject.evaluation
    curves = _curves(evaluation.fine, "fine", text)
    confusion = {"fine": _cells(evaluation.fine, grouped_order(subject.parents), text)}
    if evaluation.coarse is not None:
        curves |= _curves(evaluation.coarse, "coarse", text)
        confusion["coarse"] = _cells(evaluation.coarse, np.arange(len(evaluation.coarse.names)), text)
    return {"curves": curves, "confusion": confusion}


def _curves(level: Level, kind: str, text: Text) -> dict[str, Any]:
    found = {}
    for index, (pr, roc) in enumerate(zip(level.pr.classes, level.roc.classes, strict=True)):
        if pr is not None and roc is not None:
            found[f"{kind}-{index}"] = {
                "pr": _points(pr),
                "roc": _points(roc),
                "text": f"{text.name(level.names[index])}: AP {pr.area:.4f}, AUC {roc.area:.4f}",
            }
    return found


def _points(curve: Curve) -> list[list[int]]:
    return np.round(1000 * np.stack([curve.x, curve.y], axis=1)).astype(int).tolist()


def _cells(level: Level, order: np.ndarray, text: Text) -> dict[str, Any]:
    ordered = level.confusion[np.ix_(order, order)]
    rows, columns = np.nonzero(ordered)
    return {
        "names": [text.name(level.names[index]) for index in order],
        "totals": level.support[order].tolist(),
        "cells": np.stack([rows, columns, ordered[rows, columns]], axis=1).tolist(),
    }
