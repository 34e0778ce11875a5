"""Winograd's convolution against a plain one: its small matrices exactly, its results to rounding."""

import numpy as np
import paddle
import pytest
from paddle import nn

from paddle_cifar.engine import check, codegen, direct, dnnl, fastest, sums, tiles, winograd
from paddle_cifar.engine.convolution import ways
from paddle_cifar.engine.problem import Geometry, Problem, rounded
from paddle_cifar.engine.tensors import to_channels_first, to_channels_last
from tests.engine.conftest import difference, train_step

BORDER = Geometry(padding=(1, 1, 1, 1))
# Pixels, kernels and products are rounded once more than in a plain convolution, and sums enlarge that.
TOLERANCE = {dnnl.FLOAT32: 5e-6, dnnl.BF16: 0.025}
MAPS = [(3, 3), (4, 4), (5, 7), (6, 6), (8, 8), (9, 3), (11, 10), (16, 16), (13, 16), (32, 29)]


@pytest.mark.parametrize("side", tiles.POINTS)
def test_numbers_of_pixels_times_numbers_of_a_kernel_are_their_correlation(side):
    rng = np.random.default_rng(side)
    pixels, kernel = rng.standard_normal(side + 2), rng.standard_normal(3)
    axis = tiles.axis(side)
    result = axis.output @ ((axis.pixels @ pixels) * (axis.kernel @ kernel))
    np.testing.assert_allclose(result, np.correlate(pixels, kernel, "valid"), rtol=1e-12, atol=1e-12)
    # What is nearly zero would cost a multiplication of every vector.
    assert all(np.all((matrix == 0) | (abs(matrix) > 1e-3)) for matrix in axis)


@pytest.mark.parametrize(
    "size, expected",
    [
        ((4, 4), (4, 1, 1)),
        ((3, 3), (3, 1, 1)),
        ((6, 6), (3, 2, 2)),
        ((8, 16), (4, 2, 4)),
        ((5, 5), (3, 2, 2)),
    ],
)
def test_a_map_is_cut_into_the_tiles_with_the_fewest_numbers(size, expected):
    assert tiles.tiling(*size)[:3] == expected


@pytest.mark.usefixtures("needs_kernels")
@pytest.mark.parametrize("element", TOLERANCE)
@pytest.mark.parametrize("size", MAPS)
def test_all_three_parts_agree_with_the_plain_convolution(size, element):
    if reason := codegen.hindrance(element):
        pytest.skip(reason)
    problem = Problem((33, 32, *size), (48, 32, 3, 3), BORDER, element, True)
    assert all("winograd" in parts for parts in ways(problem).values())
    image = to_channels_last(paddle.randn([33, 32, *size]), element)
    gradient = to_channels_last(paddle.randn([33, 48, *size]), element)
    weight, bias = rounded(problem, paddle.randn([48, 32, 3, 3])), paddle.randn([48])
    pairs = [
        tuple(way.convolve(problem, image, weight, bias) for way in (direct, winograd)),
        tuple(way.image_gradient(problem, weight, gradient) for way in (direct, winograd)),
        *zip(*(way.weight_gradient(problem, image, gradient) for way in (direct, winograd)), strict=True),
    ]
    for pair in pairs:
        one, other = (
            to_channels_first(each) if each.ndim == 4 and each.shape != [48, 32, 3, 3] else each
            for each in pair
        )
        assert float((one - other).norm() / one.norm()) < TOLERANCE[element]


@pytest.mark.parametrize("batch", [1, 2, 27, 100, 127, 1000])
def test_windows_cover_a_batch_and_their_numbers_fit_the_caches(batch):
    # An image has 36 numbers for each of four tiles and 64 channels, two bytes each.
    cut = sums.windows((batch, 64, 16, 16), dnnl.BF16)
    assert [index for first, count in cut for index in range(first, first + count)] == list(range(batch))
    assert max(count for _, count in cut) * 36 * 4 * 64 * 2 <= sums.CACHED_BYTES
    assert len(sums.windows((batch, 64, 16, 16), dnnl.BF16, 1 << 30)) == 1


@pytest.mark.usefixtures("needs_kernels")
@pytest.mark.parametrize("channels", [(32, 48), (48, 32)])
def test_images_a_few_at_a_time_give_what_all_of_them_give(monkeypatch, channels):
    inputs, outputs = channels
    problem = Problem((34, inputs, 9, 8), (outputs, inputs, 3, 3), BORDER, dnnl.FLOAT32, True)
    image, added = (paddle.randn([34, 9, 8, count]) for count in channels)
    weight, bias = rounded(problem, paddle.randn([outputs, inputs, 3, 3])), paddle.randn([outputs])
    results = []
    for size in (1, 120_000, 1 << 30):
        monkeypatch.setattr(sums, "CACHED_BYTES", size)
        results.append((sums.windows(problem.image, dnnl.FLOAT32)[0].images,
            winograd.convolve(problem, image, weight, bias, added=added, relu=True),
            winograd.image_gradient(problem, weight, added),
            *winograd.weight_gradient(problem, image, added),
        ))  # fmt: skip
    counts, *others = zip(*results, strict=True)
    assert counts[0] == 1 < counts[1] < counts[2] == 34
    for one, some, everything in others:
        for other in (one, some):
            assert float((other - everything).norm() / everything.norm()) < 1e-5


@pytest.mark.usefixtures("needs_kernels")
@pytest.mark.parametrize("size", [(3, 3), (5, 7), (9, 3), (11, 10)])
def test_sums_write_all_that_is_theirs_and_nothing_else(size):
    """Of the second to fourth of five images. They write to bare addresses: nobody else would notice."""
    channels, mark = 32, np.float32(1234)
    maps, window = (5, channels, *size), sums.Window(1, 3)
    image, result = paddle.randn([5, *size, channels]), paddle.full([5, *size, channels], mark)
    tiling = tiles.tiling(*size)
    rows, margin = tiling.along * window.images, 1024
    memory = np.full(margin + tiling.numbers * (rows + 1) * channels + margin, mark)
    numbers = sums.Numbers(maps, dnnl.FLOAT32, window.images)
    numbers.place = memory[margin:].ctypes.data
    inside = memory[margin:-margin].reshape(tiling.numbers, rows + 1, channels)
    for strip in tiles.strips(*size):
        for row, matrices in ((strip.seen, strip.pixels), (strip.made, strip.back)):
            memory[:] = mark
            numbers.fill(image, window, row, matrices)
            assert (memory[:margin] == mark).all() and (memory[-margin:] == mark).all()
            assert (inside[:, :-1] != mark).all() and (inside[:, -1] == mark).all()
        before = result.numpy().copy()
        numbers.empty(result, window, strip.made, strip.output)
        changed = (result.numpy() != before).any(axis=3)
        made = slice(strip.made, strip.made + tiling.side)
        assert changed[1:4, made].all() and changed.sum() == changed[1:4, made].size


@pytest.mark.parametrize(
    "change",
    [
        {"image": (8, 32, 2, 8)},
        {"image": (8, 32, 33, 8)},
        {"image": (7, 32, 8, 8)},  # 28 tiles
        {"image": (8, 16, 8, 8), "weight": (48, 16, 3, 3)},
        {"image": (8, 40, 8, 8), "weight": (48, 40, 3, 3)},  # not whole vectors
        {"weight": (48, 32, 5, 5)},
        {"geometry": Geometry((2, 2), (1, 1, 1, 1))},
        {"geometry": Geometry(padding=(0, 0, 0, 0))},
        {"geometry": Geometry(padding=(2, 2, 2, 2), dilation=(2, 2))},
    ],
)
@pytest.mark.usefixtures("needs_kernels")
def test_others_are_left_to_other_ways(change):
    plain = {"image": (8, 32, 8, 8), "weight": (48, 32, 3, 3), "geometry": BORDER}
    make = lambda **fields: Problem(**fields, element=dnnl.FLOAT32, bias=False)  # noqa: E731
    assert winograd.applies(make(**plain))
    assert not winograd.applies(make(**{**plain, **change}))


@pytest.mark.usefixtures("needs_kernels")
def test_a_network_that_is_computed_so_trains_like_paddle(monkeypatch):
    """With no other way left, two convolutions and what is between them."""
    from paddle_cifar.engine import convolution

    used = []

    def only(problem):
        used.append(problem)
        return {
            "forward": {"winograd": winograd.convolve},
            "gradient of image": {"winograd": winograd.image_gradient},
            "gradient of weight": {"winograd": winograd.weight_gradient},
        }

    network = nn.Sequential(nn.Conv2D(32, 48, 3, padding=1), nn.Silu(), nn.Conv2D(48, 32, 3, padding=1))
    image = paddle.randn([4, 32, 10, 7])
    theirs = train_step(network, image, "paddle")
    assert check.failure("float32") is None  # looked at now, with all ways; the answer is kept
    monkeypatch.setattr(convolution, "ways", only)
    for name in ("_chosen", "_recorded"):
        monkeypatch.setattr(fastest, name, {})
    assert difference(train_step(network, image, "onednn"), theirs) < 1e-4 and len(used) == 6
