"""The loss against the learning rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from paddle_cifar.report.figures.style import BLUE, GREEN, GREY, ORANGE, styled

if TYPE_CHECKING:
    from paddle_cifar.lr_finder import RangeTest


@styled
def range_test_figure(test: RangeTest) -> Figure:
    """Loss of every step and the smoothed loss over the rate, and where the suggestions lie."""
    figure = Figure(figsize=(7.5, 4.2))
    axes = figure.add_subplot()
    axes.plot(test.rates, test.losses, color=GREY, linewidth=0.8, alpha=0.6, label="each step")
    axes.plot(test.rates, test.smoothed, color=BLUE, label="smoothed")
    axes.axvline(test.steepest, color=ORANGE, linestyle="--", label=f"steepest descent: {test.steepest:.2g}")
    axes.axvline(
        test.suggestion,
        color=GREEN,
        linestyle=":",
        label=f"a tenth of the rate of the lowest loss: {test.suggestion:.2g}",
    )
    axes.set(
        xscale="log",
        title=f"A peak rate to begin with: {test.suggestion:.2g}",
        xlabel="learning rate",
        ylabel="training loss (nats)",
    )
    # An explosion at the end would flatten everything before it.
    axes.set_ylim(0.9 * test.smoothed.min(), 1.15 * max(test.losses[0], test.smoothed[0]))
    axes.legend(loc="lower left")
    return figure
