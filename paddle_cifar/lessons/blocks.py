"""The drawing of residual blocks: layers as boxes, the shortcut as an arrow around them."""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paddle_cifar.report.figures.style import BLUE, GREY, INK, ORANGE, styled

STEP = 1.0  # from one layer to the next, in units of the drawing
HALF_WIDTH, HALF_HEIGHT = 1.15, 0.29
BEND = 2.2  # how far from the layers the shortcut runs


@dataclass(frozen=True)
class Drawing:
    """A block: its title, its layers from top to bottom, and its shortcut.

    ``shortcut``: None for a plain stack, "" for the identity, else the layers on it.
    """

    title: str
    layers: tuple[str, ...]
    shortcut: str | None


DRAWINGS = (
    Drawing("Plain: learn H(x)", ("3×3 conv, 64", "BN, ReLU", "3×3 conv, 64", "BN"), None),
    Drawing(
        "Basic block: learn F(x) = H(x) - x\nidentity shortcut (ResNet-18, -34)",
        ("3×3 conv, 64", "BN, ReLU", "3×3 conv, 64", "BN"),
        "",
    ),
    Drawing(
        "Basic block that halves the map (/2)\nprojection shortcut",
        ("3×3 conv, 128, /2", "BN, ReLU", "3×3 conv, 128", "BN"),
        "1×1 conv,\n128, /2\nBN",
    ),
    Drawing(
        "Bottleneck, 256 channels in and out\n(ResNet-50, -101, -152)",
        ("1×1 conv, 64", "BN, ReLU", "3×3 conv, 64", "BN, ReLU", "1×1 conv, 256", "BN"),
        "",
    ),
)


@styled
def block_figure() -> Figure:
    """A plain stack, a basic block with either shortcut, and a bottleneck, side by side."""
    figure = Figure(figsize=(13.5, 6))
    for axes, drawing in zip(figure.subplots(1, len(DRAWINGS)), DRAWINGS, strict=True):
        _draw(axes, drawing)
        axes.set_title(drawing.title, loc="center", fontsize=10)
        axes.axis("off")
        axes.set(xlim=(-1.5, 3.7), ylim=(-9.2, 0.5))
    return figure


def _draw(axes: Axes, drawing: Drawing) -> None:
    axes.text(0, 0, "x", ha="center", va="center", fontsize=13, style="italic", color=INK)
    y, before = -STEP, -0.25
    for layer in drawing.layers:
        _arrow(axes, (0, before), (0, y + HALF_HEIGHT))
        _box(axes, 0, y, layer, BLUE if "conv" in layer else GREY)
        before, y = y - HALF_HEIGHT, y - STEP
    if drawing.shortcut is not None:
        _arrow(axes, (0, before), (0, y + 0.24))
        circle = {"boxstyle": "circle,pad=0.12", "facecolor": "white", "edgecolor": ORANGE}
        axes.text(0, y, "+", ha="center", va="center", fontsize=15, color=ORANGE, weight="bold", bbox=circle)
        _shortcut(axes, y, drawing.shortcut)
        before, y = y - 0.26, y - STEP
    _arrow(axes, (0, before), (0, y + HALF_HEIGHT))
    _box(axes, 0, y, "ReLU", GREY)
    _arrow(axes, (0, y - HALF_HEIGHT), (0, y - 0.72))
    axes.text(0, y - 0.95, "y", ha="center", va="center", fontsize=13, style="italic", color=INK)


def _shortcut(axes: Axes, y: float, layers: str) -> None:
    axes.plot([0.15, BEND, BEND], [0, 0, y], color=ORANGE, linewidth=2)
    axes.annotate("", (0.24, y), (BEND, y), arrowprops={"arrowstyle": "->", "color": ORANGE, "linewidth": 2})
    if layers:
        _box(axes, BEND, y / 2, layers, ORANGE, half_width=0.75)
    else:
        axes.text(
            BEND + 0.12, y / 2, "identity\n0 parameters", ha="left", va="center", color=ORANGE, fontsize=9
        )


def _box(axes: Axes, x: float, y: float, words: str, colour: str, half_width: float = HALF_WIDTH) -> None:
    height = HALF_HEIGHT * (1 + words.count("\n"))
    axes.fill(
        [x - half_width, x + half_width, x + half_width, x - half_width],
        [y - height, y - height, y + height, y + height],
        facecolor="white",
        edgecolor=colour,
        linewidth=1.5,
        zorder=2,
    )
    axes.text(x, y, words, ha="center", va="center", fontsize=9, color=INK, zorder=3)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": INK, "linewidth": 1.2})
