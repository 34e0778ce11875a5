"""Evaluation only: a convolution takes the batch norm, addition and ReLU that follow it into one pass.

Without gradients nothing between `conv -> norm -> (+ shortcut) -> ReLU` has to be kept. So a convolution
waits until it is seen what follows: a norm with fixed statistics is multiplied into its weights, an addition
and a ReLU happen while its result is written. What is learnt is not touched: the folded weights are
made anew in each forward, unless `keep` was asked to keep them.
"""

from __future__ import annotations

from ctypes import c_int, c_void_p
from dataclasses import dataclass, replace

import paddle
from paddle import nn

from paddle_cifar.engine import dnnl, winograd
from paddle_cifar.engine.activation import Activation
from paddle_cifar.engine.convolution import without_gradients
from paddle_cifar.engine.elementwise import ActivationFunction, Addition
from paddle_cifar.engine.fastest import fastest
from paddle_cifar.engine.normalization import BatchNormalization
from paddle_cifar.engine.primitive import Primitive, cached, post_operations, same_layout
from paddle_cifar.engine.problem import Geometry, Problem, rounded
from paddle_cifar.engine.tensors import element_type, image_shape, new_image, packed


@dataclass(frozen=True, eq=False)
class Norm:
    """A batch norm with fixed statistics, each a float32 vector (C,)."""

    scale: paddle.Tensor
    shift: paddle.Tensor
    mean: paddle.Tensor
    variance: paddle.Tensor
    epsilon: float

    def fold(self, weight: paddle.Tensor, bias: paddle.Tensor | None) -> tuple[paddle.Tensor, paddle.Tensor]:
        """The weight (C, ...) and bias (C,) of a convolution that has this norm's effect as well."""
        slope = self.scale / (self.variance + self.epsilon).sqrt()
        centre = self.mean if bias is None else self.mean - bias
        return weight * slope.reshape([-1, 1, 1, 1]), self.shift - centre * slope


@dataclass(frozen=True, eq=False)
class Waiting:
    """A convolution that is not computed yet, with what it will take along: an `activation.Pending`."""

    layer: nn.Conv2D
    geometry: Geometry
    image: Activation
    norm: Norm | None = None
    added: Activation | None = None

    @paddle.no_grad()  # it may be read after the block without gradients that it was met in
    def __call__(self, relu: bool) -> paddle.Tensor:
        """The result, with everything it has to take along."""
        image = self.image.take()
        added = None if self.added is None else self.added.take()
        biased = self.norm is not None or self.layer.bias is not None
        weight = tuple(self.layer.weight.shape)
        problem = Problem(image_shape(image), weight, self.geometry, element_type(image), biased)
        what = f"evaluation{', norm' * bool(self.norm)}{', added' * (added is not None)}{', relu' * relu}"
        ways = {"folded": _at_once, "apart": _apart}
        if winograd.applies(problem):
            ways["winograd"] = _by_winograd
        return fastest(what, problem, ways, self, image, added, relu)


def waiting(layer: nn.Conv2D, geometry: Geometry, image: Activation) -> Activation:
    """The result of a convolution, to be computed when it is read."""
    problem = Problem(image.dims, tuple(layer.weight.shape), geometry, dnnl.FLOAT32, layer.bias is not None)
    return Activation(problem.output, pending=Waiting(layer, geometry, image))


def with_norm(image: Activation, norm: Norm) -> Activation | None:
    """The normalised image, if it is a convolution's that still waits and has nothing to take along yet."""
    found = _waiting(image)
    if found is None or found.norm is not None:
        return None
    return Activation(image.dims, pending=replace(found, norm=norm))


def with_addition(one: Activation, other: Activation) -> Activation | None:
    """The sum, if one of the two is a convolution's that still waits."""
    for host, guest in ((one, other), (other, one)):
        found = _waiting(host)
        if found is not None:
            return Activation(host.dims, pending=replace(found, added=guest))
    return None


def _waiting(image: Activation) -> Waiting | None:
    """The convolution behind an image, unless it is computed, has an addition to do already, or what follows
    it needs gradients."""
    found = image.pending
    if image._image is not None or paddle.is_grad_enabled():
        return None
    return found if isinstance(found, Waiting) and found.added is None else None


def keep(network: nn.Layer) -> None:
    """Keep folded weights from one forward to the next. The network's must stay as they are from now on.

    For predicting single pictures: preparing the weights then takes longer than computing. A layer that is
    trained after all forgets them.
    """
    for layer in network.sublayers(include_self=True):
        if isinstance(layer, nn.Conv2D):
            layer.__dict__["_kept"] = []


def forget(layer: nn.Conv2D) -> None:
    """Undo `keep` for a layer whose weights may change."""
    layer.__dict__.pop("_kept", None)


def _at_once(
    problem: Problem, waiting: Waiting, image: paddle.Tensor, added: paddle.Tensor | None, relu: bool
) -> paddle.Tensor:
    """All in the pass that writes the convolution's result."""
    primitive = _primitive(problem, added is not None, relu)
    weights, bias = _weights(problem, waiting, primitive.layout(dnnl.WEIGHTS))
    result = new_image(problem.output, problem.element)
    pointers = {dnnl.SRC: image.data_ptr(), dnnl.WEIGHTS: weights.data_ptr(), dnnl.DST: result.data_ptr()}
    if bias is not None:
        pointers[dnnl.BIAS] = bias.data_ptr()
    if added is not None:
        pointers[dnnl.ADDED] = added.data_ptr()
    primitive.run(pointers)
    return result


def _by_winograd(
    problem: Problem, waiting: Waiting, image: paddle.Tensor, added: paddle.Tensor | None, relu: bool
) -> paddle.Tensor:
    """The same, where the sums that end a convolution are made. For whole batches: keeps no weights."""
    weight, bias = _folded(waiting)
    return winograd.convolve(problem, image, rounded(problem, weight), bias, added=added, relu=relu)


def _apart(
    problem: Problem, waiting: Waiting, image: paddle.Tensor, added: paddle.Tensor | None, relu: bool
) -> paddle.Tensor:
    """One after the other: faster where oneDNN has no good code for all at once."""
    layer, norm = waiting.layer, waiting.norm
    plain = Problem(problem.image, problem.weight, problem.geometry, problem.element, layer.bias is not None)
    result = without_gradients(plain, image, layer.weight, layer.bias)
    if norm is not None:
        numbers = (norm.scale, norm.shift, norm.mean, norm.variance, norm.epsilon)
        result = BatchNormalization.apply(result, *numbers, True, relu and added is None, False)
    if added is not None:
        return Addition.apply(result, added, relu)
    if relu and norm is None:
        return ActivationFunction.apply(result, dnnl.RELU, (0.0, 0.0))
    return result


def _folded(waiting: Waiting) -> tuple[paddle.Tensor, paddle.Tensor | None]:
    """Weight and bias with the norm, if there is one, multiplied in."""
    layer, norm = waiting.layer, waiting.norm
    return (layer.weight, layer.bias) if norm is None else norm.fold(layer.weight, layer.bias)


def _weights(
    problem: Problem, waiting: Waiting, want: c_void_p
) -> tuple[paddle.Tensor, paddle.Tensor | None]:
    """The weights with the norm folded in, as the primitive wants them to lie, and the bias."""
    layer, norm = waiting.layer, waiting.norm
    kept = layer.__dict__.get("_kept")
    for of, layout, weights, bias in kept or ():
        if of is (norm and norm.mean) and same_layout(layout, want):
            return weights, bias
    weight, bias = _folded(waiting)
    weights = packed(rounded(problem, weight), problem.channels_last_weight(problem.element), want)
    if kept is not None:
        kept.append((norm and norm.mean, want, weights, bias))
    return weights, bias


@cached
def _primitive(problem: Problem, added: bool, relu: bool) -> Primitive:
    output = dnnl.channels_last(problem.output, problem.element)
    return Primitive(
        "convolution_forward",
        c_int(dnnl.INFERENCE),
        c_int(dnnl.CONVOLUTION),
        *problem.descriptors(problem.element),
        *problem.walk(),
        attributes=post_operations(*[(dnnl.RELU, 0.0)] * relu, added=output if added else None),
    )
