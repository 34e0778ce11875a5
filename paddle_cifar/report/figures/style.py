"""How every figure looks, and how it becomes SVG for the page or pixels for VisualDL."""

from __future__ import annotations

import functools
import io
import re
import warnings
from collections.abc import Callable
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.ticker import PercentFormatter

# Okabe and Ito's palette, distinguishable with every kind of colour blindness.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
BLUE, ORANGE, GREEN = COLOURS[:3]
MARKERS = "osD^vPX"
GREY, INK = "#767676", "#222222"
HEAT = "Blues"  # one hue from white to dark: the order survives colour blindness and black-and-white print
CJK_FONTS = (
    *("Noto Sans CJK SC", "Source Han Sans SC", "Noto Sans SC", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei"),
    *("Microsoft YaHei", "SimHei", "PingFang SC", "Hiragino Sans GB", "Heiti SC", "Arial Unicode MS"),
)
PIXELS_PER_INCH = 110

_STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.unicode_minus": False,
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "grid.color": "#E4E4E4",
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "svg.fonttype": "none",  # text stays text: the reader's browser has fonts for every language
    "xtick.color": INK,
    "ytick.color": INK,
}


def chinese_fonts() -> list[str]:
    """Installed fonts that have Chinese characters; without one, figures made of pixels speak English."""
    installed = {font.name for font in fontManager.ttflist}
    return [name for name in CJK_FONTS if name in installed]


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Draw a figure in the style of the report; nothing outside is changed."""

    @functools.wraps(draw)
    def drawn(*inputs: Any, **options: Any) -> Figure:
        # By name: "sans-serif" would be looked up when the figure is drawn, outside of this context.
        with matplotlib.rc_context({**_STYLE, "font.family": ["DejaVu Sans", *chinese_fonts()]}):
            return draw(*inputs, **options)

    return drawn


def percent() -> PercentFormatter:
    """Ticks of fractions as percentages, with decimals where the range asks for them."""
    return PercentFormatter(1, decimals=None, symbol=" %")


def name_plot_area(axes: Axes, name: str) -> None:
    """Give the axes' background an id in the SVG, by which page.js finds where the data are drawn."""
    axes.patch.set_gid(f"area-{name}")


def to_svg(figure: Figure, label: str) -> str:
    """The figure as an inline ``<svg>`` that scales with the page.

    ``label`` is read to the blind; no other figure on the page has the same.
    """
    text = io.StringIO()
    # Matplotlib's ids are hashes; the label among what is hashed keeps figures on one page apart.
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": label}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # only measured, never drawn
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # Matplotlib numbers the groups of each figure from 1: as ids on one page they would repeat.
    svg = re.sub(r' id="(?!area-|[mpC][0-9a-f]{8,}|image)[^"]*_\d+"', "", svg)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    label = label.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)


def to_pixels(figure: Figure) -> np.ndarray:
    """The figure as uint8 (height, width, 3)."""
    figure.set_dpi(PIXELS_PER_INCH)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
