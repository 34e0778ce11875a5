import numpy as np
import pytest
from PIL import Image

from paddle_cifar.data.resize import bilinear_weights, shrink
from tests.data.augment.images import awkward, from_pil, to_pil


@pytest.mark.parametrize("side", [8, 12, 16, 20, 24, 27, 31])
def test_shrink_is_pillows_bilinear_within_a_level(side):
    images = awkward()
    ours = shrink(images.astype(np.float32), side)
    assert ours.shape == (len(images), 3, side, side) and ours.dtype == np.float32
    for small, image in zip(ours, images, strict=True):
        expected = from_pil(to_pil(image).resize((side, side), Image.Resampling.BILINEAR)).astype(np.float64)
        assert np.abs(small - expected).max() < 1.001  # Pillow rounds after each axis


def test_the_full_side_changes_nothing():
    images = awkward().astype(np.float32)
    assert shrink(images, 32) is images


@pytest.mark.parametrize("side", [8, 20, 31, 32])
def test_weights_keep_the_mean_and_are_symmetric(side):
    weights = bilinear_weights(32, side)
    assert np.allclose(weights.sum(1), 1, atol=1e-6)
    assert np.allclose(weights, weights[::-1, ::-1], atol=1e-6)


def test_halving_by_hand():
    """Each new pixel is (1, 3, 3, 1) / 8 of four old ones."""
    assert np.allclose(bilinear_weights(32, 16)[5, 9:13], np.array([1, 3, 3, 1]) / 8)
