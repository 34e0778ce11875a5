"""Pictures of every format, damaged and cut off."""

import io
import random

import numpy as np
import pytest
from PIL import Image

from paddle_cifar.prediction.images import read_image
from tests.fuzz.files import COUNTS, mutated, refused, report


def pictures():
    """Encoded pictures of every format, two of each kind: (format, data)."""
    chance, kinds = np.random.default_rng(0), []
    for _ in range(2):
        grey, colours, clear = (
            chance.integers(0, 256, shape, dtype=np.uint8) for shape in ((40, 48), (40, 48, 3), (40, 48, 4))
        )
        exif = Image.Exif()
        exif[0x0112] = 6
        for format in ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"):
            kinds.append((format, Image.fromarray(colours), {}))
        frames = [Image.fromarray(255 - colours)]
        for format in ("PNG", "WEBP", "GIF", "TIFF"):
            kinds.append(
                (f"{format} frames", Image.fromarray(colours), {"save_all": True, "append_images": frames})
            )
        kinds.append(("PNG clear", Image.fromarray(clear), {}))
        kinds.append(("PNG palette", Image.fromarray(colours).quantize(16), {"transparency": 3}))
        kinds.append(("PNG 16", Image.fromarray(grey.astype(np.uint16) * 257), {}))
        kinds.append(("JPEG ink", Image.fromarray(clear, "CMYK"), {}))
        kinds.append(("JPEG exif", Image.fromarray(colours), {"exif": exif}))
        kinds.append(("TIFF packed", Image.fromarray(colours), {"compression": "tiff_lzw"}))
    encoded = {}
    for kind, picture, options in kinds:
        data = io.BytesIO()
        picture.save(data, kind.split()[0], **options)
        encoded.setdefault(kind, []).append(data.getvalue())
    return encoded


@pytest.mark.parametrize("count", COUNTS)
def test_pictures(tmp_path, count):
    """A cut-off file is never half a picture: it is refused, or nothing of the picture was cut off."""
    rng, path, outcomes, encoded = random.Random(3), tmp_path / "a.png", [], pictures()
    for _ in range(count):
        kind = rng.choice(sorted(encoded))
        data, other = rng.sample(encoded[kind], 2)
        shortened = rng.random() < 0.2
        path.write_bytes(data[: rng.randrange(len(data))] if shortened else mutated(data, other, rng))
        picture = refused(lambda: read_image(path))
        outcomes.append(picture is not None)
        if picture is not None:
            assert picture.image.shape == (3, 32, 32) and picture.image.dtype == np.uint8
            if shortened:
                path.write_bytes(data)
                assert np.array_equal(picture.image, read_image(path).image), kind
    report("pictures", outcomes)
