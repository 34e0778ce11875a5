"""The fourteen image operations of the AutoAugment family on whole batches, bit for bit those of Pillow.

Each one takes uint8 images (N, 3, H, W) and a value for each image, (N,), and
returns new images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from paddle_cifar.data.augment.affine import rotate, shear_x, shear_y, translate_x, translate_y

Operation = Callable[[np.ndarray, np.ndarray], np.ndarray]


def identity(images: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The images as they are."""
    return images


def _per_image(values: np.ndarray, dtype: type = np.float32) -> np.ndarray:
    return np.asarray(values).astype(dtype).reshape(-1, 1, 1, 1)


# --- operations that look up each pixel --------------------------------------------------------------


def _look_up(images: np.ndarray, tables: np.ndarray) -> np.ndarray:
    """Replace each pixel by the entry in its channel's table; tables are uint8 (N * 3, 256)."""
    channels = images.reshape(len(tables), -1)
    return tables.take(channels + 256 * np.arange(len(tables))[:, None]).reshape(images.shape)


def auto_contrast(images: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Stretch each channel to the whole range from 0 to 255; the values are not used."""
    channels = images.reshape(-1, images.shape[-2] * images.shape[-1])
    low, high = channels.min(1, keepdims=True).astype(np.float64), channels.max(1, keepdims=True)
    scale = 255 / np.maximum(high - low, 1)
    stretched = np.clip(np.arange(256) * scale - low * scale, 0, 255)
    # A channel of one colour has nothing to stretch.
    return _look_up(images, np.where(high > low, stretched, np.arange(256)).astype(np.uint8))


def equalize(images: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Give each channel a flat histogram, as far as it goes; the values are not used."""
    channels = images.reshape(-1, images.shape[-2] * images.shape[-1])
    offset = 256 * np.arange(len(channels))[:, None]
    counts = np.bincount((channels + offset).reshape(-1), minlength=256 * len(channels)).reshape(-1, 256)
    of_brightest = counts[np.arange(len(counts)), channels.max(1)][:, None]
    step = (channels.shape[1] - of_brightest) // 255
    darker = counts.cumsum(1) - counts
    flat = np.minimum((step // 2 + darker) // np.maximum(step, 1), 255)
    return _look_up(images, np.where(step > 0, flat, np.arange(256)).astype(np.uint8))


def invert(images: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The negative; the values are not used."""
    return 255 - images


def solarize(images: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Invert the pixels that are not below each image's threshold, 0 to 256."""
    return np.where(images < _per_image(thresholds, np.float64), images, 255 - images)


def posterize(images: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """Keep the highest bits of each pixel, 0 to 8 of them."""
    return images & (256 - 2 ** (8 - _per_image(bits, np.int64))).astype(np.uint8)


# --- operations that blend the image with a duller one; factor 1 changes nothing ------------------------


def _blend(dull: np.ndarray, images: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """``dull + factor * (images - dull)`` in float32, cut off to 0-255 and at the point, as Pillow does."""
    dull = dull.astype(np.float32)
    blended = images - dull
    blended *= _per_image(factors)
    blended += dull
    return np.clip(blended, 0, 255, out=blended).astype(np.uint8)


def _grey(images: np.ndarray) -> np.ndarray:
    """Luma, int32 (N, 1, H, W), by Pillow's integer weights (ITU-R 601)."""
    luma = np.full_like(images[:, :1], 0x8000, np.int32)
    for channel, weight in enumerate((19595, 38470, 7471)):
        luma += weight * images[:, channel : channel + 1].astype(np.int32)
    luma >>= 16
    return luma


def brightness(images: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Away from black (above 1) or towards it."""
    return _blend(np.zeros((1, 1, 1, 1)), images, factors)


def colour(images: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Away from the grey image or towards it: the saturation."""
    return _blend(_grey(images), images, factors)


def contrast(images: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Away from the mean grey of the image or towards it."""
    return _blend(np.floor(_grey(images).mean((1, 2, 3), keepdims=True) + 0.5), images, factors)


def sharpness(images: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Away from the smoothed image or towards it; the border is not smoothed."""
    wide = images.astype(np.int32)
    rows = wide[:, :, :-2] + wide[:, :, 1:-1] + wide[:, :, 2:]
    inner = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:] + 4 * wide[:, :, 1:-1, 1:-1]
    smooth = wide.copy()
    smooth[:, :, 1:-1, 1:-1] = (2 * inner + 13) // 26  # thirteenths, rounded
    return _blend(smooth, images, factors)


OPERATIONS: dict[str, Operation] = {
    "Identity": identity,
    "ShearX": shear_x,
    "ShearY": shear_y,
    "TranslateX": translate_x,
    "TranslateY": translate_y,
    "Rotate": rotate,
    "AutoContrast": auto_contrast,
    "Invert": invert,
    "Equalize": equalize,
    "Solarize": solarize,
    "Posterize": posterize,
    "Contrast": contrast,
    "Color": colour,
    "Brightness": brightness,
    "Sharpness": sharpness,
}
NUMBER: dict[str, int] = {name: number for number, name in enumerate(OPERATIONS)}


@dataclass(frozen=True, eq=False)
class Steps:
    """What happens to each image step by step: numbers of operations and their values, (N, steps)."""

    operation: np.ndarray
    value: np.ndarray

    def apply(self, images: np.ndarray) -> np.ndarray:
        """Carry out the steps, each operation at once on all images that it is meant for."""
        images = images.copy()
        for operation, value in zip(self.operation.T, self.value.T, strict=True):
            for number, carry_out in enumerate(OPERATIONS.values()):
                meant = np.flatnonzero(operation == number)
                if len(meant) and carry_out is not identity:
                    images[meant] = carry_out(images[meant], value[meant])
        return images
