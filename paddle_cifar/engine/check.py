"""The self-check at first use: small layers, forward and backward, against Paddle's own kernels."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable

import paddle
from paddle import nn

from paddle_cifar.engine import dnnl, winograd
from paddle_cifar.engine.convolution import ways
from paddle_cifar.engine.problem import Geometry, Problem, rounded
from paddle_cifar.engine.products import product
from paddle_cifar.engine.tensors import Shape, to_channels_first, to_channels_last

# bf16 keeps 8 bits, and a value near zero may end up on the other side of a ReLU; a real fault changes
# everything.
TOLERANCE = {"float32": 1e-4, "bf16": 0.1}

# (layers, shape of their input): one of each kind of primitive, with odd sizes.
CASES: list[tuple[Callable[[], list[nn.Layer]], list[int]]] = [
    (lambda: [nn.Conv2D(3, 16, 3, padding=1)], [4, 3, 12, 12]),
    (lambda: [nn.Conv2D(16, 24, 3, stride=2, padding=1, bias_attr=False)], [5, 16, 9, 7]),
    (lambda: [nn.Conv2D(16, 32, 1, bias_attr=False)], [3, 16, 4, 4]),
    (lambda: [nn.BatchNorm2D(16), nn.ReLU()], [4, 16, 8, 8]),
    (lambda: [nn.Conv2D(16, 16, 1, bias_attr=False), nn.Silu(), nn.MaxPool2D(2)], [4, 16, 8, 8]),
    (lambda: [nn.Conv2D(16, 16, 1, bias_attr=False), nn.AdaptiveAvgPool2D(1)], [4, 16, 6, 6]),
]

# (image, weight) of convolutions whose parts can be computed in several ways: a step on the cases above takes
# the fastest ones and would check no others.
CONVOLUTIONS = [
    ((5, 16, 9, 7), (24, 16, 3, 3)),
    ((5, 16, 2, 2), (24, 16, 3, 3)),
    ((32, 32, 7, 6), (48, 32, 3, 3)),
    ((32, 32, 6, 6), (48, 32, 3, 3)),
]


@functools.cache
def failure(precision: str) -> str | None:
    """Why the engine must not be used, or None when it agrees with Paddle."""
    try:
        worst = disagreement(precision)
    except Exception as error:  # whatever it is, training goes on with Paddle's kernels
        return f"{precision} failed its self-check: {type(error).__name__}: {error}"
    if not worst <= TOLERANCE[precision]:  # also when it is not a number
        return f"{precision} disagrees with Paddle's kernels by {worst:.1e}"
    return None


@paddle.enable_grad()
def disagreement(precision: str) -> float:
    """The largest relative difference over outputs and gradients. The user's random state is left as it
    was.
    """
    element = dnnl.BF16 if precision == "bf16" else dnnl.FLOAT32
    state, differences = paddle.get_rng_state(), []
    try:
        paddle.seed(0)
        for make, shape in CASES:
            network, image = nn.Sequential(*make()), paddle.randn(shape)
            ours, theirs = _results(network, image, element), _results(network, image, None)
            differences += [_relative(one, other) for one, other in zip(ours, theirs, strict=True)]
        for image_shape, weight_shape in CONVOLUTIONS:
            differences += _differences_of_ways(image_shape, weight_shape, element)
        if element == dnnl.BF16:
            matrix = paddle.randn([16, 40])
            expected = paddle.matmul(matrix, matrix, transpose_y=True)
            differences.append(_relative(product(matrix, matrix, transpose_y=True), expected))
    finally:
        paddle.set_rng_state(state)
    return max(differences) if all(map(math.isfinite, differences)) else math.nan


def _differences_of_ways(image_shape: Shape, weight_shape: Shape, element: int) -> list[float]:
    """Every way to compute each part of a 3x3 convolution, against Paddle's."""
    problem = Problem(image_shape, weight_shape, Geometry(padding=(1, 1, 1, 1)), element, False)
    image, weight, slope = (paddle.randn(shape) for shape in (image_shape, weight_shape, problem.output))
    image.stop_gradient = weight.stop_gradient = False
    output = nn.functional.conv2d(image, weight, padding=1)
    (output * slope).sum().backward()
    packed, (x, y) = rounded(problem, weight), (to_channels_last(each, element) for each in (image, slope))
    parts = {
        "forward": (output, lambda way: to_channels_first(way(problem, x, packed, None))),
        "gradient of image": (image.grad, lambda way: to_channels_first(way(problem, packed, y))),
        "gradient of weight": (weight.grad, lambda way: way(problem, x, y)[0]),
    }
    differences = []
    for part, (expected, compute) in parts.items():
        for way in ways(problem)[part].values():
            with contextlib.suppress(dnnl.DnnlError):  # no code for this shape: it will not be chosen
                differences.append(_relative(compute(way), expected))
    if winograd.applies(problem):
        bias = paddle.randn(weight_shape[:1])
        expected = nn.functional.relu(output + bias.reshape([-1, 1, 1]) + slope)
        with contextlib.suppress(dnnl.DnnlError):
            found = winograd.convolve(problem, x, packed, bias, added=y, relu=True)
            differences.append(_relative(to_channels_first(found), expected))
    return differences


def _relative(one: paddle.Tensor, other: paddle.Tensor) -> float:
    return float((one - other).norm() / (other.norm() + 1e-6))


def _results(network: nn.Layer, image: paddle.Tensor, element: int | None) -> list[paddle.Tensor]:
    """Output and gradients of one training step, on the engine if an element type is given."""
    from paddle_cifar.engine import seam
    from paddle_cifar.engine.activation import real

    image = image.detach()
    image.stop_gradient = False
    if element is None:
        output = network(image)
    else:
        seam.install()
        with seam.routed(element):
            output = real(network(image))
    slope = paddle.cos(paddle.arange(output.size, dtype="float32")).reshape(output.shape)
    (output * slope).sum().backward()
    trained = [parameter for parameter in network.parameters() if not parameter.stop_gradient]
    results = [output.detach(), image.grad.clone(), *(parameter.grad.clone() for parameter in trained)]
    for parameter in trained:
        parameter.clear_gradient(False)
    return results
