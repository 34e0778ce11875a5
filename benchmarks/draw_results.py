"""The picture on top of the README: test accuracy of every recorded run, over the minutes it took.

    python benchmarks/draw_results.py

Reads benchmarks/runs/*/ and writes benchmarks/result.svg. Needs matplotlib, neither Paddle nor the data.
Runs that differ in nothing but the seed share a colour and a label, which then gives their mean.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from matplotlib.figure import Figure  # noqa: E402
from matplotlib.ticker import PercentFormatter  # noqa: E402

from paddle_cifar.config import TrainConfig  # noqa: E402
from paddle_cifar.report.figures.style import COLOURS, INK, MARKERS, styled, to_svg  # noqa: E402
from paddle_cifar.report.record import Record, read_record  # noqa: E402
from paddle_cifar.runs import MACHINE_FIELDS  # noqa: E402

RUNS, PICTURE = HERE / "runs", HERE / "result.svg"
LAB_ACCURACY = 0.3469  # what the AI Studio lab reports
LAB = "the lab: 34.69 % after 20 epochs, which took it more than 600 minutes"


def recorded(folder: Path) -> list[list[Record]]:
    """The finished runs on CIFAR-100 below a folder, those of one setting together, the best first."""
    settings: dict[TrainConfig, list[Record]] = {}
    for path in sorted(folder.glob("*/result.json")):
        record = read_record(path.parent)
        if record.config.dataset == "cifar100":
            settings.setdefault(without_seed(record.config), []).append(record)
    return sorted(settings.values(), key=mean_accuracy, reverse=True)


def without_seed(config: TrainConfig) -> TrainConfig:
    """The config without what may differ between repetitions of one experiment."""
    plain = TrainConfig()
    same = {name: getattr(plain, name) for name in (*MACHINE_FIELDS, "seed")}
    return dataclasses.replace(config, **same)


def mean_accuracy(records: Sequence[Record]) -> float:
    """Of the results: top-1 of the test images, single view, at full size."""
    return float(np.mean([record.result["acc_top1"] for record in records]))


def label(records: Sequence[Record]) -> str:
    """What the legend says of the runs of one setting.

    >>> label([read_record(RUNS / "lab-resnet18")])
    '40.83 %, lab: resnet18, 20 epochs, 63 minutes, 2 cores of AMD EPYC'
    """
    first = records[0]
    minutes = [round(record.minutes) for record in records]
    taken = " to ".join(map(str, sorted({min(minutes), max(minutes)})))
    where: dict[str, dict[str, None]] = {}  # what it was computed on, "2 cores of" by the processors' names
    for machine in (record.result["machine"] for record in records):
        gpu, cpu = machine.get("gpu"), machine["cpu"].replace("(R)", "").removesuffix(" Processor")
        where.setdefault("" if gpu else f"{machine['cores']} cores of ", {})[gpu or cpu] = None
    machines = " or ".join(how + " or ".join(names) for how, names in where.items())
    seeds = f", mean of {len(records)} seeds" if len(records) > 1 else ""
    return (
        f"{100 * mean_accuracy(records):.2f} %, {first.config.recipe}: {first.config.model}, "
        f"{first.epochs} epochs, {taken} minutes, {machines}{seeds}"
    )


@styled
def results_figure(settings: Sequence[Sequence[Record]]) -> Figure:
    """A line for every run, with a large mark where its result stands.

    Without a line: runs that chose their epoch on images held out, as theirs are not the test images.
    """
    figure = Figure(figsize=(9, 4.6))
    axes = figure.add_subplot()
    for index, records in enumerate(settings):
        colour, marker = COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]
        for number, record in enumerate(records):
            if record.split == "test" and record.epochs:
                minutes = np.cumsum(record.history["seconds"]) / 60
                accuracy = record.history["test_acc_top1"]
                axes.plot(minutes, accuracy, color=colour, marker=marker, markersize=3)
            axes.plot(
                record.minutes,
                record.result["acc_top1"],
                color=colour,
                marker=marker,
                markersize=8,
                linestyle="",
                label=label(records) if number == 0 else None,
            )
    axes.axhline(LAB_ACCURACY, color=INK, linestyle="--", linewidth=1.2)
    axes.annotate(
        LAB, (1, LAB_ACCURACY), (-4, -5), ("axes fraction", "data"), "offset points", ha="right", va="top"
    )
    axes.set(
        title="CIFAR-100: share of the 10,000 test images that is classified correctly",
        xlabel="minutes since the start of the training",
    )
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    figure.legend(loc="outside lower left", fontsize=9)
    return figure


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=PICTURE, help="write to this file instead")
    output = parser.parse_args().output
    settings = recorded(RUNS)
    svg = to_svg(results_figure(settings), "Test accuracy of the recorded runs over the minutes they took")
    # Outside of the report no style sheet says what to take where this font is missing.
    svg = svg.replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif")
    output.write_text(svg, encoding="utf-8")
    print("\n".join(label(records) for records in settings))


if __name__ == "__main__":
    main()
