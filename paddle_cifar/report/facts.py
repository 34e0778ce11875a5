"""The parts of report.html that say what was run: data, settings, time and machine."""

from __future__ import annotations

import dataclasses
from html import escape

import numpy as np

from paddle_cifar.config import TrainConfig
from paddle_cifar.report import html
from paddle_cifar.report.paths import without_folders
from paddle_cifar.report.subject import Subject
from paddle_cifar.report.text import Text

# Where things lie on the machine that trained; not part of the experiment.
PLACES = frozenset({"data_file", "output", "name", "resume", "debug"})


def lead(subject: Subject, text: Text) -> str:
    """One sentence on what was measured, and what to beware of."""
    record, predictions = subject.record, subject.predictions
    images, total = len(predictions.logits), len(predictions.test_set)
    sentence = text(
        "lead",
        model=record.config.model,
        data="CIFAR-100" if record.config.dataset == "cifar100" else text("stand_in"),
        images=images,
        epochs=predictions.epochs,
        which=predictions.which,
    )
    warnings = [text("part_only", images=images, total=total)] if images < total else []
    if not record.result:
        warnings.append(text("unfinished"))
    return html.note(sentence) + "".join(f'<p class="note warning">{escape(line)}</p>' for line in warnings)


def settings(subject: Subject, text: Text) -> str:
    """The run's config, field by field."""
    rows = [
        [field.name, str(getattr(subject.record.config, field.name)), field.metadata["help"]]
        for field in dataclasses.fields(TrainConfig)
        if field.name not in PLACES
    ]
    table = html.table([text("setting"), text("value"), text("meaning")], rows)
    return f'<div class="tall">{table}</div>'


def machine(subject: Subject, text: Text) -> str:
    """How long it took, and on what."""
    record, predictions = subject.record, subject.predictions
    result = record.result
    megabytes = predictions.params * 4 / 2**20
    rows = [
        (text("minutes"), "–" if np.isnan(record.minutes) else f"{record.minutes:.1f}"),
        (text("epochs"), str(record.epochs)),
        (text("parameters"), f"{predictions.params:,} ({megabytes:.1f} MB float32)"),
    ]
    if result:
        rows.append((text("images_per_second"), f"{result['images_per_second']:,.0f}"))
        rows += [(key, str(value)) for key, value in result.get("machine", {}).items()]
        rows += [(key, str(value)) for key, value in result.get("versions", {}).items()]
        rows.append((text("command"), without_folders(result.get("command", ""))))
    rows.append((text("arithmetic"), predictions.arithmetic))
    if predictions.test_set.sha256:
        rows.append((text("data_sha256"), predictions.test_set.sha256))
    return html.facts(rows)
