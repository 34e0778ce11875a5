"""The parts of report.html, each a function from the subject to HTML."""

from __future__ import annotations

import math
from html import escape

from paddle_cifar.report import figures, html
from paddle_cifar.report.calibration import BINS
from paddle_cifar.report.evaluate import Level
from paddle_cifar.report.figures.confusion import grouped_order
from paddle_cifar.report.figures.style import to_svg
from paddle_cifar.report.mistakes import highest_loss, most_confused
from paddle_cifar.report.subject import Subject
from paddle_cifar.report.text import Text

PAIRS, IMAGES_A_PAIR, MISSED = 10, 8, 24


def training(subject: Subject, text: Text) -> str:
    """Curves over the epochs."""
    record = subject.record
    if not record.epochs:
        return html.note(text("no_history"))
    drawn = (
        ("loss", figures.loss_figure(record, text)),
        ("accuracy", figures.accuracy_figure(record, text)),
        ("other_accuracies", figures.other_accuracies_figure(record, text)),
        ("rate", figures.rate_figure(record, text)),
    )
    sheets = "".join(html.figure(to_svg(figure, text(f"{name}_axis")), name) for name, figure in drawn)
    return html.note(text("curves_note")) + f'<div class="grid">{sheets}</div>'


def areas(subject: Subject, text: Text) -> str:
    """Precision-recall and ROC curves, and the list to add a class's own."""
    evaluation = subject.evaluation
    options = [f'<option value="">{escape(text("no_class"))}</option>']
    for kind, level in (("coarse", evaluation.coarse), ("fine", evaluation.fine)):
        if level is not None:
            named = sorted((text.name(name), index) for index, name in enumerate(level.names))
            group = "".join(
                f'<option value="{kind}-{index}">{escape(name)}</option>' for name, index in named
            )
            heading = text("superclass" if kind == "coarse" else "class")
            options.append(f'<optgroup label="{escape(heading)}">{group}</optgroup>')
    pr, roc = (draw(evaluation.fine, text) for draw in (figures.precision_recall_figure, figures.roc_figure))
    return (
        html.note(text("areas_note"))
        + f"<p><label>{escape(text('show_class'))} "
        + f'<select id="class-chooser">{"".join(options)}</select></label> '
        + '<span id="class-areas" class="readout"></span></p><div class="grid">'
        + html.figure(to_svg(pr, text("precision")), "pr")
        + html.figure(to_svg(roc, "ROC"), "roc")
        + "</div>"
    )


def confusion(subject: Subject, text: Text) -> str:
    """Both confusion matrices."""
    evaluation = subject.evaluation
    assert evaluation.coarse is not None
    coarse = figures.coarse_confusion_figure(evaluation.coarse, text)
    order = grouped_order(subject.parents)
    fine = figures.fine_confusion_figure(evaluation, order, subject.parents, text)
    parts = [html.note(text("confusion_note"))]
    for kind, figure, label in (("coarse", coarse, "superclasses"), ("fine", fine, "classes")):
        sheet = html.figure(to_svg(figure, f"{text('confusion')}: {text(label)}"), f"confusion-{kind}")
        parts.append(f'<p id="cell-{kind}" class="readout"></p>{sheet}')
    return "".join(parts)


def pairs(subject: Subject, text: Text) -> str:
    """The pairs of classes mixed up most often, each with its images."""
    level, test_set = subject.evaluation.fine, subject.predictions.test_set
    found = most_confused(level, PAIRS)
    rows = []
    for pair in found:
        line = text(
            "pair_line",
            true=text.name(level.names[pair.true]),
            predicted=text.name(level.names[pair.predicted]),
            count=pair.count,
            total=int(level.support[pair.true]),
        )
        first, second = (escape(part) for part in line.split("\n"))
        examples = (
            html.picture(
                test_set.images[index],
                "",
                f"{test_set.filenames[index]} · {100 * level.probabilities[index, pair.predicted]:.0f} %",
                48,
            )
            for index in pair.images[:IMAGES_A_PAIR]
        )
        rows.append(f'<div class="pair"><p><b>{first}</b><br>{second}</p>{html.pictures(examples)}</div>')
    return html.note(text("pairs_note") if rows else text("confusion_none")) + "".join(rows)


def missed(subject: Subject, text: Text) -> str:
    """The images with the highest loss, with file name, truth and prediction."""
    evaluation, test_set = subject.evaluation, subject.predictions.test_set
    level = evaluation.fine
    parts = []
    for index in highest_loss(evaluation, MISSED):
        truth, guess = (text.name(level.names[label[index]]) for label in (level.labels, level.predicted))
        caption = (
            f"{truth} → {guess}\n{text('loss')} {evaluation.losses[index]:.2f}\n{test_set.filenames[index]}"
        )
        parts.append(html.picture(test_set.images[index], caption, size=80))
    return html.note(text("missed_note", threshold=math.log(len(level.names)))) + html.pictures(parts)


def calibration(subject: Subject, text: Text) -> str:
    """The reliability diagram."""
    figure = figures.reliability_figure(subject.evaluation.reliability, text)
    sheet = html.figure(to_svg(figure, text("reliability")))
    return html.note(text("reliability_note", bins=BINS)) + f'<div class="grid">{sheet}</div>'


def classes(subject: Subject, text: Text) -> str:
    """The sortable table of the 100 classes."""
    coarse_names = subject.predictions.test_set.coarse_names
    parents = [text.name(coarse_names[parent]) for parent in subject.parents]
    content = _level_table(subject.evaluation.fine, text, "fine", parents)
    return f'{html.note(text("table_note"))}<div class="tall">{content}</div>'


def superclasses(subject: Subject, text: Text) -> str:
    """The sortable table of the 20 superclasses."""
    assert subject.evaluation.coarse is not None
    return html.note(text("coarse_note")) + _level_table(subject.evaluation.coarse, text, "coarse")


def _level_table(level: Level, text: Text, kind: str, parents: list[str] | None = None) -> str:
    headings = [text("class" if parents else "superclass"), *([text("superclass")] if parents else [])]
    headings += [text("images"), text("precision"), text("recall"), "F1", "AP", "AUC"]
    ap, auc = level.pr.areas, level.roc.areas
    rows = [
        [
            text.name(name),
            *([parents[index]] if parents else []),
            int(level.support[index]),
            *(float(column[index]) for column in (level.precision, level.recall, level.f1, ap, auc)),
        ]
        for index, name in enumerate(level.names)
    ]
    return html.table(headings, rows, keys=[f"{kind}-{index}" for index in range(len(rows))])
