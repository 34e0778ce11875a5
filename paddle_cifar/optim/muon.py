"""Muon: steps of momentum whose singular values are all made about one.

Keller Jordan 2024, https://kellerjordan.github.io/posts/muon, as in his cifar10-airbench.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import paddle

from paddle_cifar.optim.wrapping import Wrapping

# The quintic a x + b x^3 + c x^5 takes singular values from 0 to 1 to between 0.7 and 1.2 in five rounds;
# its slope at zero is as steep as that allows (found by Keller Jordan).
QUINTIC = (3.4445, -4.7750, 2.0315)

Product = Callable[..., paddle.Tensor]  # takes the arguments of paddle.matmul


class Muon(Wrapping):
    """Orthogonal steps for kernels and matrices; the inner optimizer makes those of everything else.

    A kernel is the matrix (out, in * height * width) of its filters. Its step is
    the rate times the orthogonalised Nesterov momentum, times the root of
    out / in where that exceeds one: it moves every direction by the rate, however
    small the gradient. Weight decay is decoupled, rate times decay times weight.

    Args:
        inner: steps the head, norms and biases: SGD with Nesterov momentum, at the rates of
            their groups. It knows the other parameters too, but sees no gradients of theirs.
        weights: the kernels (out, in, height, width) and matrices (in, out) with orthogonal steps.
        weight_decay: of these.
        momentum: share of the buffer that is kept; 0.6 in airbench, 0.95 for large networks.
        steps: rounds of Newton-Schulz, 1 to 6; 3 in airbench.
        renormalize: before each step scale every kernel to the norm of root of out, as airbench
            does. The rate is then the relative change of a step, and decay has no effect. Only for
            kernels followed by a norm, to which their length is nothing; others lose theirs.
        product: multiplies two matrices.
    """

    kinds = ("buffer",)

    def __init__(
        self,
        inner: Any,
        weights: Sequence[paddle.Tensor],
        weight_decay: float,
        momentum: float,
        steps: int = 5,
        renormalize: bool = False,
        product: Product = paddle.matmul,
    ) -> None:
        super().__init__(inner)
        self.weights, self.weight_decay = weights, weight_decay
        self.momentum, self.steps, self.renormalize = momentum, steps, renormalize
        self.product = product

    @paddle.no_grad()
    def step(self) -> None:
        """One step; consumes the gradients."""
        rate = self.get_lr()
        for weight in self.weights:
            if weight.grad is not None:
                self._update(weight, rate)
                weight.clear_gradient(False)  # gone, not zero: the inner optimizer passes it over
        self.inner.step()

    def _update(self, weight: paddle.Tensor, rate: float) -> None:
        buffer = self.tensor("buffer", weight)
        buffer.scale_(self.momentum)
        buffer.add_(weight.grad)
        direction = weight.grad + buffer * self.momentum  # Nesterov looks one step ahead
        matrix = direction if weight.ndim == 2 else direction.flatten(1)
        inputs, outputs = matrix.shape if weight.ndim == 2 else matrix.shape[::-1]
        step = orthogonalise(matrix, self.steps, self.product).reshape(weight.shape)
        if self.renormalize and weight.ndim == 4:
            weight.scale_(outputs**0.5 / (float((weight * weight).sum()) ** 0.5 + 1e-12))
        elif self.weight_decay:
            weight.scale_(1 - rate * self.weight_decay)
        weight.subtract_(step.scale_(rate * max(1.0, outputs / inputs) ** 0.5))


def orthogonalise(matrix: paddle.Tensor, steps: int, product: Product = paddle.matmul) -> paddle.Tensor:
    """Nearly U V' for a matrix U S V' of any shape: singular values of about one, by Newton-Schulz rounds.

    Each round multiplies X by a polynomial of the small square X X' alone, so the
    rounds are done on that square and their product is applied to the matrix once.
    For ResNet-18 that is 2.7 times as fast as multiplying the long matrix each round.
    """
    a, b, c = QUINTIC
    if steps > 3:  # each round magnifies small singular values, and what rounding adds to them, by up to 3.4
        product = paddle.matmul
    tall = matrix.shape[0] > matrix.shape[1]
    square = product(matrix, matrix, transpose_x=tall, transpose_y=not tall)
    size = paddle.trace(square) + 1e-14  # squared Frobenius norm: no singular value exceeds its root
    square = square / size
    linear = paddle.eye(square.shape[0]) * a
    rounds = None
    for step in range(steps):
        factor = linear + square.scale(b) + product(square, square).scale_(c)
        rounds = factor if rounds is None else product(factor, rounds)
        if step < steps - 1:
            square = product(factor, product(factor, square))
    rounds = rounds / size.sqrt()
    return product(matrix, rounds) if tall else product(rounds, matrix)
