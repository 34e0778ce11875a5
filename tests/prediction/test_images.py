"""Pictures of every kind against conversions written out here, and files that must be refused."""

import io
import os
import struct
import threading
import tracemalloc
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from paddle_cifar.errors import RunError
from paddle_cifar.prediction import images
from paddle_cifar.prediction.images import decode, find_images, fit_image, read_image

RANDOM = np.random.default_rng(0)


def pixels(height, width, channels=3):
    shape = (height, width, channels) if channels > 1 else (height, width)
    return RANDOM.integers(0, 256, shape, dtype=np.uint8)


def encoded(picture, format="PNG", **options):
    data = io.BytesIO()
    picture.save(data, format, **options)
    return data.getvalue()


def of(picture, format="PNG", **options):
    """Encode and decode again: (32, 32, 3), as float."""
    return decode(encoded(picture, format, **options)).image.transpose(1, 2, 0).astype(float)


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "WEBP"])
def test_32x32_passes_bit_for_bit(format):
    original = pixels(32, 32)
    options = {"lossless": True} if format == "WEBP" else {}
    decoded = decode(encoded(Image.fromarray(original), format, **options))
    assert decoded.image.dtype == np.uint8 and decoded.image.shape == (3, 32, 32) and not decoded.notices
    assert np.array_equal(decoded.image.transpose(1, 2, 0), original)
    assert decoded.image.flags.c_contiguous


def shrunk_by_hand(values, side):
    """Bicubic (a = -0.5) whose support grows with the factor, in float64, one axis after the other."""

    def cubic(x):
        x = np.abs(x)
        near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
        return np.where(x < 1, near, np.where(x < 2, far, 0))

    def matrix(size):
        factor = size / side
        centre = (np.arange(side)[:, None] + 0.5) * factor
        weights = cubic((np.arange(size) + 0.5 - centre) / max(factor, 1))
        return weights / weights.sum(axis=1, keepdims=True)

    rows, columns = matrix(values.shape[0]), matrix(values.shape[1])
    across = np.einsum("jx,yxc->yjc", columns, values.astype(float)).clip(0, 255)
    return np.einsum("iy,yjc->ijc", rows, across).clip(0, 255)


@pytest.mark.parametrize(("height", "width"), [(200, 200), (97, 97), (20, 20), (120, 333), (500, 64)])
def test_size_is_the_bicubic_mean_of_the_middle_square(height, width):
    original = pixels(height, width)
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = original[top : top + side, left : left + side]
    expected = shrunk_by_hand(square, 32)
    assert np.abs(of(Image.fromarray(original)) - expected).max() < 1.6  # two roundings to 8 bits


def test_what_lies_outside_the_middle_square_does_not_count():
    original = np.zeros((64, 200, 3), np.uint8)
    original[:, 68:132] = (10, 200, 30)
    assert (of(Image.fromarray(original)) == (10, 200, 30)).all()


def test_alpha_over_white():
    original = pixels(32, 32, 4)
    share = original[..., 3:] / 255
    expected = original[..., :3] * share + 255 * (1 - share)
    assert np.abs(of(Image.fromarray(original)) - expected).max() < 1.01
    grey = pixels(32, 32, 2)
    expected = grey[..., 0] * (grey[..., 1] / 255) + 255 - grey[..., 1]
    assert np.abs(of(Image.fromarray(grey, "LA"))[..., 1] - expected).max() < 1.01


def test_the_colour_of_what_is_transparent_does_not_bleed():
    original = np.zeros((320, 320, 4), np.uint8)
    original[..., :3] = (0, 255, 0)  # green, but not to be seen
    original[:, :160] = (200, 0, 0, 255)
    small = of(Image.fromarray(original))
    # Anywhere: red and white mixed. Green without red would have leaked from the transparent half.
    assert np.abs(small[..., 1] - small[..., 2]).max() <= 1


def test_palette_with_and_without_transparency():
    indices = RANDOM.integers(0, 4, (32, 32)).astype(np.uint8)
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 8, 7]], np.uint8)
    picture = Image.fromarray(indices, "P")
    picture.putpalette(colours.tobytes())
    assert np.array_equal(of(picture), colours[indices])
    assert np.array_equal(of(picture, "GIF"), colours[indices])
    with_white = colours.copy()
    with_white[2] = 255
    assert np.array_equal(of(picture, transparency=2), with_white[indices])


def test_grey_of_8_16_and_1_bits():
    grey = pixels(32, 32, 1)
    assert np.array_equal(of(Image.fromarray(grey)), np.repeat(grey[..., None], 3, axis=2))
    deep = RANDOM.integers(0, 65536, (32, 32)).astype(np.uint16)
    for format in ("PNG", "TIFF"):
        assert np.array_equal(of(Image.fromarray(deep), format)[..., 0], np.rint(deep / 257.0))
    black = Image.fromarray(grey > 127)
    assert np.array_equal(of(black)[..., 2], np.where(grey > 127, 255, 0))
    shares = RANDOM.random((32, 32), dtype=np.float32) * 2 - 0.5
    shares[0, 0] = np.nan
    expected = np.rint(np.nan_to_num(shares).clip(0, 1) * 255.0)
    assert np.array_equal(of(Image.fromarray(shares), "TIFF")[..., 0], expected)


def test_cmyk():
    ink = pixels(32, 32, 4)
    expected = (255.0 - ink[..., :3]) * (255 - ink[..., 3:]) / 255
    assert np.abs(of(Image.fromarray(ink, "CMYK"), "TIFF") - expected).max() <= 1.01
    jpeg = of(Image.new("CMYK", (40, 40), (0, 255, 255, 0)), "JPEG")
    assert np.abs(jpeg - (255, 0, 0)).max() < 20, "red ink, not its negative"


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        (1, lambda a: a),
        (2, lambda a: a[:, ::-1]),
        (3, lambda a: a[::-1, ::-1]),
        (4, lambda a: a[::-1]),
        (5, lambda a: a.swapaxes(0, 1)),
        (6, lambda a: np.rot90(a, -1)),
        (7, lambda a: np.rot90(a.swapaxes(0, 1), 2)),
        (8, lambda a: np.rot90(a, 1)),
    ],
)
def test_exif_orientation(orientation, turn):
    original = pixels(32, 32)
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert np.array_equal(of(Image.fromarray(original), exif=exif), turn(original))


def test_exif_turns_before_the_middle_is_cut_out():
    original = np.zeros((100, 60, 3), np.uint8)
    original[:10] = 255  # outside of the middle, however it is turned
    exif = Image.Exif()
    exif[0x0112] = 6
    assert of(Image.fromarray(original), exif=exif).max() == 0


@pytest.mark.parametrize("format", ["GIF", "WEBP", "TIFF", "PNG"])
def test_animated_is_its_first_frame_with_a_notice(format):
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if format == "WEBP" else {}
    decoded = decode(encoded(frames[0], format, save_all=True, append_images=frames[1:], **options))
    assert (decoded.image.transpose(1, 2, 0) == (255, 0, 0)).all()
    assert len(decoded.notices) == 1 and "first" in decoded.notices[0]


def test_a_phones_photo_with_a_second_picture_behind_it_is_no_animation():
    photos = [Image.new("RGB", (64, 48), colour) for colour in ("red", "blue")]
    decoded = decode(encoded(photos[0], "MPO", save_all=True, append_images=photos[1:]))
    assert not decoded.notices and decoded.image[0].min() > 240 and decoded.image[2].max() < 15


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (31, 33)])
def test_odd_sizes(size):
    assert (of(Image.new("RGB", size, (1, 2, 3))) == (1, 2, 3)).all()


# ------------------------------------------------------------------ what must be refused


def png_header(width, height):
    """A PNG that says it is so large, in a few bytes."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    idat = chunk(b"IDAT", zlib.compress(b"\0" * 100000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + idat + chunk(b"IEND", b"")


def test_a_bomb_is_refused_by_its_header():
    bombs = [png_header(8000, 8000), png_header(60000, 60000)]
    bombs.append(b"GIF89a" + struct.pack("<HH", 60000, 60000) + b"\0\0\0" + b"," + b"\0" * 20)
    for bomb in bombs:
        with pytest.raises(RunError, match="pixels"):
            decode(bomb)


def test_a_large_file_is_not_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "MAX_BYTES", 1000)
    (tmp_path / "a.png").write_bytes(encoded(Image.fromarray(pixels(50, 50))))
    with pytest.raises(RunError, match=r"a\.png is larger than"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"])
def test_a_file_cut_off_anywhere_is_refused_or_whole(format):
    """Half a picture must never pass for one; what lies behind the pixels may be missing."""
    picture = Image.fromarray(pixels(64, 64))
    data = encoded(picture, format)
    whole = decode(data).image
    for share in (0.02, 0.1, 0.5, 0.9):
        with pytest.raises(RunError):
            decode(data[: int(len(data) * share)])
    for length in range(len(data) - 12, len(data)):
        try:
            assert np.array_equal(decode(data[:length]).image, whole)
        except RunError:
            pass


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"])
def test_flipped_bytes_give_a_picture_or_one_line(format):
    data = encoded(Image.fromarray(pixels(40, 40)), format)
    chance = np.random.default_rng(1)
    for _ in range(150):
        damaged = np.frombuffer(data, np.uint8).copy()
        where = chance.integers(0, min(len(data), 300), 4)
        damaged[where] = chance.integers(0, 256, 4)
        try:
            assert decode(damaged.tobytes()).image.shape == (3, 32, 32)
        except RunError as error:
            assert "\n" not in str(error) and len(str(error)) < 250


@pytest.mark.parametrize(
    "content",
    [
        b"<html>not found</html>",
        b"\x89PNG\r\n\x1a\n",
        b"%PDF-1.4",
        b"GIF89a",
        b"\xff\xd8\xff",
        b"\0" * 5000,
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",  # Pillow would start Ghostscript
        b'<svg xmlns="http://www.w3.org/2000/svg"/>',
        b"PK\x03\x04 a zip",
    ],
)
def test_not_a_picture_whatever_its_name(tmp_path, content):
    file = tmp_path / "cat.png"
    file.write_bytes(content)
    with pytest.raises(RunError, match=r"cat\.png is (not a picture|damaged)"):
        read_image(file)


def test_formats_that_are_not_on_the_list_are_not_opened():
    picture = Image.fromarray(pixels(32, 32))
    for format in ("ICO", "PPM", "TGA", "PCX"):
        with pytest.raises(RunError, match="not a picture"):
            decode(encoded(picture, format))


def test_a_picture_named_like_another_format_is_read(tmp_path):
    original = pixels(32, 32)
    (tmp_path / "cat.jpg").write_bytes(encoded(Image.fromarray(original)))
    assert np.array_equal(read_image(tmp_path / "cat.jpg").image.transpose(1, 2, 0), original)


def test_empty_missing_folder_and_device(tmp_path):
    (tmp_path / "empty.png").touch()
    cases = {"empty.png": "is empty", "none.png": "No such file", ".": "is a folder", "a\0b": "null"}
    for name, says in cases.items():
        with pytest.raises(RunError, match=says):
            read_image(tmp_path / name)
    if os.path.exists("/dev/zero"):
        with pytest.raises(RunError, match="not a regular file"):
            read_image(Path("/dev/zero"))


def test_find_images(tmp_path):
    for name in ("b.PNG", "a.jpg", "notes.txt", "c.tiff"):
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    assert [path.name for path in find_images(tmp_path)] == ["a.jpg", "b.PNG", "c.tiff"]
    assert find_images(tmp_path / "missing.png") == [tmp_path / "missing.png"]
    with pytest.raises(RunError, match="without pictures"):
        find_images(tmp_path / "folder.png")


def test_colours_without_a_conversion_are_named(monkeypatch):
    """Which these are depends on Pillow's version (LAB before 11)."""

    def convert(*arguments):
        raise ValueError("conversion not supported")

    picture = Image.new("HSV", (40, 40))
    monkeypatch.setattr(Image.Image, "convert", convert)
    with pytest.raises(RunError, match=r"HSV.*save it as PNG"):
        fit_image(picture)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("exif", [b"Exif\0\0garbage!garbage!", b"Exif\0\0II"])
def test_a_picture_whose_exif_alone_is_damaged_is_read_as_it_lies(format, exif):
    picture = Image.fromarray(pixels(40, 60))
    damaged = encoded(picture, format, exif=exif, dpi=(72, 72))
    assert np.array_equal(decode(damaged).image, decode(encoded(picture, format)).image)


def test_large_greys_are_converted_a_band_at_a_time():
    values = np.tile(np.arange(3000, dtype=np.uint16) * 21, (3000, 1))
    values[:, 0] = np.arange(3000)
    picture = Image.fromarray(values)
    tracemalloc.start()
    grey = np.asarray(images._in_eight_bits(picture))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * values.size, "bytes; all of it in float64 would be eight a pixel, several times over"
    assert np.array_equal(grey, np.rint(values / 257))


def test_what_needs_no_change_is_not_copied():
    picture = Image.fromarray(pixels(50, 50))
    assert images._upright(picture) is picture
    turned = Image.Exif()
    turned[images.ORIENTATION] = 6
    sideways = Image.open(io.BytesIO(encoded(picture, exif=turned)))
    assert np.array_equal(np.asarray(images._upright(sideways)), np.rot90(np.asarray(picture), -1))


def test_warnings_of_others_stay_warnings():
    """Decoding in one thread neither turns another thread's warnings into errors nor leaves a filter."""
    data = encoded(Image.fromarray(pixels(300, 300)))
    threads = [threading.Thread(target=lambda: [decode(data) for _ in range(10)]) for _ in range(4)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        before = list(warnings.filters)
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            warnings.warn("mine", UserWarning, stacklevel=1)
        assert list(warnings.filters) == before
