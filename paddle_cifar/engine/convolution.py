"""conv2d on [N, H, W, C] for Paddle's autograd, each of its three parts computed in the fastest way known."""

from __future__ import annotations

from typing import Any

import paddle
from paddle.autograd import PyLayer

from paddle_cifar.engine import dense, direct, im2col, transposed, winograd
from paddle_cifar.engine.fastest import Way, fastest
from paddle_cifar.engine.primitive import cached
from paddle_cifar.engine.problem import Geometry, Problem, rounded
from paddle_cifar.engine.tensors import alias, element_type, image_shape

# The ways are timed on so many images at least, and on so many pixels of small maps, where what a way does to
# the kernels once would weigh too much.
SAMPLE_IMAGES, SAMPLE_PIXELS = 128, 8192


@cached
def ways(problem: Problem) -> dict[str, dict[str, Way]]:
    """What can compute each of the three parts, by name; the fastest is found out on the first real data."""
    found: dict[str, dict[str, Way]] = {
        "forward": {"direct": direct.convolve},
        "gradient of image": {"direct": direct.image_gradient},
        "gradient of weight": {"direct": direct.weight_gradient},
    }
    if im2col.applies(problem):
        found["forward"]["im2col"] = im2col.convolve
        found["gradient of weight"]["im2col"] = im2col.weight_gradient
    if transposed.applies(problem):
        found["gradient of image"]["im2col"] = transposed.image_gradient
    if dense.applies(problem):
        found["gradient of weight"]["dense"] = dense.weight_gradient
    if dense.applies_to_maps(problem):
        found["forward"]["dense"] = dense.convolve
        found["gradient of image"]["dense"] = dense.image_gradient
    if winograd.applies(problem):
        found["forward"]["winograd"] = winograd.convolve
        found["gradient of image"]["winograd"] = winograd.image_gradient
        found["gradient of weight"]["winograd"] = winograd.weight_gradient
    return found


class Convolution(PyLayer):
    """Takes the image batch, and Paddle's own weight and bias (or None)."""

    @staticmethod
    def forward(ctx: Any, image: paddle.Tensor, weight: paddle.Tensor, bias: Any, geometry: Geometry) -> Any:
        """The image batch [N, H, W, C] and weight [out, in / groups, kh, kw] to [N, H', W', out]."""
        problem = Problem(
            image_shape(image), tuple(weight.shape), geometry, element_type(image), bias is not None
        )
        ctx.problem = problem
        ctx.wanted = [each is not None and not each.stop_gradient for each in (image, weight, bias)]
        direct.prepare(problem, ctx.wanted[0], any(ctx.wanted[1:]))
        weight = rounded(problem, weight)
        ctx.save_for_backward(alias(image), weight)
        return _fastest("forward", problem, image, weight, bias)

    @staticmethod
    def backward(ctx: Any, gradient: paddle.Tensor) -> Any:
        """The gradients of those of image, weight and bias that have one; None for the others."""
        image, weight = ctx.saved_tensor()
        problem, (wants_image, wants_weight, wants_bias) = ctx.problem, ctx.wanted
        of_image, of_weight, of_bias = None, None, None
        if wants_image:
            of_image = _fastest("gradient of image", problem, weight, gradient)
        if wants_weight or wants_bias:  # one computation gives both
            of_weight, of_bias = _fastest("gradient of weight", problem, image, gradient)
        gradients = [of_image, of_weight if wants_weight else None]
        return (*gradients, of_bias if wants_bias else None) if problem.bias else tuple(gradients)


def without_gradients(
    problem: Problem, image: paddle.Tensor, weight: paddle.Tensor, bias: Any
) -> paddle.Tensor:
    """The result alone; ``weight`` is Paddle's own."""
    return _fastest("forward", problem, image, rounded(problem, weight), bias)


def _fastest(part: str, problem: Problem, *arguments: Any) -> Any:
    return fastest(part, problem, ways(problem)[part], *arguments, sample=_sample)


def _sample(problem: Problem, arguments: tuple[Any, ...]) -> tuple[Problem, tuple[Any, ...]]:
    """The first images of a large batch: timing every way on all of it takes as long as many steps."""
    batch, channels, height, width = problem.image
    images = max(SAMPLE_IMAGES, SAMPLE_PIXELS // (height * width))
    if batch <= images:
        return problem, arguments
    smaller = Problem(
        (images, channels, height, width), problem.weight, problem.geometry, problem.element, problem.bias
    )
    # Images and their gradients have four axes; the packed weight and the bias have one.
    first = (each[:images] if each is not None and each.ndim == 4 else each for each in arguments)
    return smaller, tuple(first)
