"""conv2d on [N, H, W, C] for Paddle's autograd, each of its three parts computed in the fastest way known."""

from __future__ import annotations

from typing import Any

import paddle
from paddle.autograd import PyLayer

from paddle_cifar.engine import dense, direct, im2col, transposed
from paddle_cifar.engine.fastest import fastest
from paddle_cifar.engine.problem import Geometry, Problem, rounded
from paddle_cifar.engine.tensors import alias, element_type, image_shape


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
        ways = {"direct": direct.convolve}
        if im2col.applies(problem):
            ways["im2col"] = im2col.convolve
        if dense.applies_to_maps(problem):
            ways["dense"] = dense.convolve
        return fastest("forward", problem, ways, image, weight, bias)

    @staticmethod
    def backward(ctx: Any, gradient: paddle.Tensor) -> Any:
        """The gradients of those of image, weight and bias that have one; None for the others."""
        image, weight = ctx.saved_tensor()
        problem, (wants_image, wants_weight, wants_bias) = ctx.problem, ctx.wanted
        of_image, of_weight, of_bias = None, None, None
        if wants_image:
            ways = {"direct": direct.image_gradient}
            if transposed.applies(problem):
                ways["im2col"] = transposed.image_gradient
            if dense.applies_to_maps(problem):
                ways["dense"] = dense.image_gradient
            of_image = fastest("gradient of image", problem, ways, weight, gradient)
        if wants_weight or wants_bias:  # one computation gives both
            ways = {"direct": direct.weight_gradient}
            if im2col.applies(problem):
                ways["im2col"] = im2col.weight_gradient
            if dense.applies(problem):
                ways["dense"] = dense.weight_gradient
            of_weight, of_bias = fastest("gradient of weight", problem, ways, image, gradient)
        gradients = [of_image, of_weight if wants_weight else None]
        return (*gradients, of_bias if wants_bias else None) if problem.bias else tuple(gradients)
