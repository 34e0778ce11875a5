"""From any picture to the 32x32 RGB image a network sees. Needs no Paddle.

The picture is turned as its EXIF says, cut to the square in its middle, converted to RGB
and scaled to 32x32 (bicubic, averaging where it shrinks). What is transparent becomes white;
of an animation the first frame counts; 16-bit values are scaled to 8 bits; colour profiles
are not applied. A picture that is 32x32 already keeps every pixel as it is.
"""

from __future__ import annotations

import io
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from paddle_cifar.data.sizes import FULL_SIDE
from paddle_cifar.errors import RunError

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
MAX_BYTES = 32 * 2**20
MAX_PIXELS = 50_000_000  # at four bytes a pixel 200 MB once decoded, and as much for the square cut out of it
BAND = 256  # rows turned into floats at a time, which take up to eight times the memory of the picture
ORIENTATION, UPRIGHT = 0x0112, 1  # the number of EXIF's field, and its value for a picture as it is
READABLE = "PNG, JPEG, WebP, BMP, GIF and TIFF can be read"

# What Pillow warns of although the picture itself is whole.
_HARMLESS = (
    "Image appears to be a malformed MPO file",
    "Corrupt EXIF data",
    "Metadata Warning",
    "Possibly",
    "Invalid APNG",
)
# Filters of warnings belong to the whole process, so one picture is decoded at a time.
_DECODING = threading.Lock()


class Picture(NamedTuple):
    """What became of a picture: ``image`` uint8 (3, 32, 32), and ``notices`` on what was left out of it."""

    image: np.ndarray
    notices: tuple[str, ...]


def find_images(path: Path) -> list[Path]:
    """The path itself, or of a folder the pictures right in it, by the ends of their names, sorted.

    Raises:
        RunError: when there is nothing, or no picture in the folder.
    """
    try:
        if not path.is_dir():
            return [path]
        found = sorted(each for each in path.iterdir() if each.suffix.lower() in SUFFIXES and each.is_file())
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if not found:
        raise RunError(f"{path} is a folder without pictures ({' '.join(SUFFIXES)})")
    return found


def read_image(path: Path) -> Picture:
    """Read a picture file; RunError, one line, when it cannot be used."""
    try:
        if path.is_dir():
            raise RunError(f"{path} is a folder; give a picture")
        if path.exists() and not path.is_file():  # a pipe or a device may never end
            raise RunError(f"{path} is not a regular file")
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    try:
        return decode(data)
    except RunError as error:
        raise RunError(f"{path} {error}") from error


def decode(data: bytes) -> Picture:
    """Decode the contents of a picture file; RunError, to be read after the file's name."""
    if not data:
        raise RunError("is empty")
    if len(data) > MAX_BYTES:
        raise RunError(f"is larger than {MAX_BYTES // 2**20} MB; make it smaller")
    with (
        _DECODING,
        _warnings_as_errors(),
        _refusals(),
        Image.open(io.BytesIO(data), formats=FORMATS) as picture,
    ):
        notices = _first_frame(picture)
        return Picture(fit_image(picture), notices)


@contextmanager
def _refusals() -> Iterator[None]:
    """Whatever Pillow raises on a picture as RunError, to be read after its name."""
    try:
        yield
    except RunError:
        raise
    except Image.UnidentifiedImageError as error:
        raise RunError(f"is not a picture ({READABLE})") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise RunError(_too_large()) from error
    except Exception as error:  # of damaged files anything: struct.error, SyntaxError, ...
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise RunError(f"is damaged or cut off ({reason})") from error


@_refusals()
def fit_image(picture: Image.Image) -> np.ndarray:
    """A Pillow image of any size and mode as uint8 (3, 32, 32).

    Raises:
        RunError: for too many pixels, before they are decoded, colours there is no conversion for, or a
            picture from a damaged file, which Pillow reads as late as this.
    """
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise RunError(_too_large(f"{width}x{height} "))
    if not width * height:
        raise RunError("has no pixels")
    picture = _upright(picture)
    if (square := _middle(*picture.size)) != (0, 0, *picture.size):
        # Cut before it is scaled: told of the square, resize() would still look beyond its edges.
        picture = picture.crop(square)
    picture = _in_eight_bits(picture)
    transparent = picture.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in picture.info
    try:
        if picture.mode == "La":
            picture = picture.convert("LA")
        if picture.mode != (mode := "RGBA" if transparent else "RGB"):  # else it would be copied
            picture = picture.convert(mode)
    except ValueError as error:
        raise RunError(f"has colours ({picture.mode}) that cannot be converted; save it as PNG") from error
    if picture.size != (FULL_SIDE, FULL_SIDE):
        picture = picture.resize((FULL_SIDE, FULL_SIDE), Image.Resampling.BICUBIC)
    if transparent:
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture).convert("RGB")
    return np.ascontiguousarray(np.asarray(picture).transpose(2, 0, 1))


def _upright(picture: Image.Image) -> Image.Image:
    """The picture turned as its EXIF says; as it is, where only that is damaged."""
    picture.load()  # so that damaged pixels do not pass for damaged EXIF
    try:
        if picture.getexif().get(ORIENTATION, UPRIGHT) == UPRIGHT:
            return picture  # exif_transpose would copy it
        return ImageOps.exif_transpose(picture)
    except Exception:  # as above
        return picture


def _middle(width: int, height: int) -> tuple[int, int, int, int]:
    """The square in the middle: left, top, right, bottom."""
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


def _in_eight_bits(picture: Image.Image) -> Image.Image:
    """Grey of more than 8 bits as 8-bit grey; colours are brought to 8 bits by Pillow as it reads them.

    Integers are taken as 16-bit, floats as 0 to 1; what is outside is cut off.
    """
    if not picture.mode.startswith(("I", "F")):
        return picture
    highest = 1.0 if picture.mode == "F" else 65535.0
    width, height = picture.size
    grey = np.empty((height, width), np.uint8)
    for top in range(0, height, BAND):
        band = picture.crop((0, top, width, min(top + BAND, height)))
        values = np.nan_to_num(np.asarray(band, dtype=np.float64), nan=0.0, posinf=highest)
        grey[top : top + band.height] = np.rint(values.clip(0, highest) * (255 / highest))
    return Image.fromarray(grey)


def _first_frame(picture: Image.Image) -> tuple[str, ...]:
    # MPO is what many phones write into .jpg files: the photo, and another view or a small one behind it.
    if picture.format == "MPO" or not getattr(picture, "is_animated", False):
        return ()
    picture.seek(0)
    return ("has several frames; the first one is used",)


def _too_large(size: str = "") -> str:
    return f"has too many pixels ({size}more than {MAX_PIXELS // 10**6} million); make it smaller"


@contextmanager
def _warnings_as_errors() -> Iterator[None]:
    """Let Pillow's warnings, of a decompression bomb for one, stop the decoding; nobody else's."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", module=r"PIL\.")
        for message in _HARMLESS:
            warnings.filterwarnings("ignore", message=re.escape(message))
        yield
