"""A contact sheet: every picture as the network saw it, with its best guess below."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from paddle_cifar.atomic import write_atomically
from paddle_cifar.data.sizes import FULL_SIDE
from paddle_cifar.errors import UsageError
from paddle_cifar.prediction.classifier import Guess

ZOOM = 4
GAP = 12
LINE = 14
LINES = 3
LETTERS = 21  # what fits below a picture in Pillow's own font
MOST = 1000  # pictures on one sheet


def check_sheet(path: Path, pictures: Sequence[str]) -> None:
    """Raise UsageError, before anything is computed, unless a sheet can be written there."""
    given = {os.path.realpath(picture) for picture in pictures}  # a loop of links stays as it is
    real = os.path.realpath(path)
    if path.exists() and given & {real, os.path.dirname(real)}:
        raise UsageError(f"--sheet {path} is one of the pictures; choose another name")
    if path.suffix.lower() != ".png":
        raise UsageError(f"--sheet {path}: the name must end in .png")
    if path.is_dir() or not path.parent.is_dir():
        raise UsageError(
            f"--sheet {path}: {'it is a folder' if path.is_dir() else 'there is no such folder'}"
        )


def write_sheet(pictures: Sequence[tuple[str, np.ndarray, Guess]], path: Path) -> None:
    """Write a PNG of (file name, uint8 (3, 32, 32), best guess) of at most 1000 pictures."""
    data = io.BytesIO()
    draw_sheet(pictures[:MOST]).save(data, "PNG")
    write_atomically(path, data.getvalue())


def draw_sheet(pictures: Sequence[tuple[str, np.ndarray, Guess]]) -> Image.Image:
    """The sheet as a picture, up to eight to a row; a pixel of the network's is 4x4 there."""
    side = FULL_SIDE * ZOOM
    columns = min(8, max(1, math.ceil(math.sqrt(len(pictures)))))
    rows = math.ceil(len(pictures) / columns)
    height = side + LINES * LINE
    sheet = Image.new("RGB", (columns * (side + GAP) + GAP, rows * (height + GAP) + GAP), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default()
    for number, (file, image, guess) in enumerate(pictures):
        left = GAP + number % columns * (side + GAP)
        top = GAP + number // columns * (height + GAP)
        shown = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))
        sheet.paste(shown.resize((side, side), Image.Resampling.NEAREST), (left, top))
        lines = (f"{guess.name} {100 * guess.probability:.0f} %", guess.superclass, _plain(Path(file).name))
        for line, text in enumerate(lines):
            draw.text((left, top + side + 2 + line * LINE), text[:LETTERS], fill="black", font=font)
    return sheet


def _plain(name: str) -> str:
    """A file's name in the letters that Pillow's own font has."""
    return name.encode("ascii", "replace").decode()
