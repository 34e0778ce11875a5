"""Small pieces of HTML. Everything that comes from data goes through ``escape``."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

import numpy as np
from PIL import Image

Cell = str | int | float


def section(identifier: str, heading: str, *parts: str) -> str:
    """A part of the page with a heading."""
    return f'<section id="{identifier}"><h2>{escape(heading)}</h2>\n' + "\n".join(parts) + "</section>\n"


def note(text: str) -> str:
    """A paragraph that explains."""
    return f'<p class="note">{escape(text)}</p>'


def figure(svg: str, identifier: str = "") -> str:
    """A drawing on its own sheet."""
    named = f' id="{identifier}"' if identifier else ""
    return f"<figure{named}>{svg}</figure>"


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Name and value, two columns."""
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in pairs)
    return f'<table class="facts">{rows}</table>'


def table(
    headings: Sequence[str], rows: Iterable[Sequence[Cell]], digits: int = 3, keys: Sequence[str] = ()
) -> str:
    """A table that page.js makes sortable.

    Args:
        headings: of the columns.
        rows: text is aligned left; fractions are shown with ``digits`` decimals, NaN as a dash.
        keys: a ``data-key`` for each row, for page.js.
    """
    rows = list(rows)
    numeric = [not isinstance(value, str) for value in rows[0]] if rows else [False] * len(headings)
    head = "".join(
        f'<th scope="col"{" class=number" if right else ""}><button>{escape(heading)}</button></th>'
        for heading, right in zip(headings, numeric, strict=True)
    )
    body = []
    for index, row in enumerate(rows):
        key = f' data-key="{escape(keys[index])}"' if keys else ""
        body.append(f"<tr{key}>{''.join(_cell(value, digits) for value in row)}</tr>")
    return (
        f'<div class="wide"><table class="sortable"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _cell(value: Cell, digits: int) -> str:
    if isinstance(value, str):
        return f"<td>{escape(value)}</td>"
    if isinstance(value, float):
        shown = "–" if np.isnan(value) else f"{value:.{digits}f}"
        return f'<td class="number" data-value="{value:.9g}">{shown}</td>'
    return f'<td class="number" data-value="{value}">{value:,}</td>'


def picture(image: np.ndarray, caption: str, title: str = "", size: int = 64) -> str:
    """A uint8 image (3, H, W), enlarged without smoothing, with a caption; ``title`` shows on pointing."""
    data = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))).save(data, "PNG", optimize=True)
    url = "data:image/png;base64," + base64.b64encode(data.getvalue()).decode()
    lines = "<br>".join(escape(line).replace("_", "_<wbr>") for line in caption.split("\n"))
    return (
        f'<figure class="picture" title="{escape(title)}"><img src="{url}" width="{size}" height="{size}" '
        f'alt="{escape(title or caption)}"><figcaption>{lines}</figcaption></figure>'
    )


def pictures(parts: Iterable[str]) -> str:
    """Pictures side by side."""
    return f'<div class="pictures">{"".join(parts)}</div>'


def document(language: str, title: str, body: str, scripts: Sequence[str] = (), data: str = "{}") -> str:
    """A page in one file; its policy forbids every request, so that it is the same offline.

    Args:
        language: "en" or "zh".
        title: of the window.
        body: HTML.
        scripts: names of the files beside this one that are put into the page.
        data: JSON that the scripts find in the element "data".
    """
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
    data = data.replace("<", "\\u003c")  # a name in the data cannot end the script
    code = "".join(f"<script>\n{_beside(name)}</script>\n" for name in scripts)
    return (
        f'<!DOCTYPE html>\n<html lang="{"zh-CN" if language == "zh" else language}">\n<head>\n'
        f'<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}</title>\n<style>\n{_beside('page.css')}</style>\n</head>\n<body>\n{body}"
        f'<script type="application/json" id="data">{data}</script>\n{code}</body>\n</html>\n'
    )


def _beside(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")
