"""The self-check at first use: small layers, forward and backward, against Paddle's own kernels."""

from __future__ import annotations

import functools

import paddle
from paddle import nn

from paddle_cifar.engine import dnnl

# bf16 keeps 8 bits: through ReLU and max pooling a gradient may move by some per cent; a real fault moves it by all.
TOLERANCE = {"float32": 1e-4, "bf16": 0.25}


@functools.cache
def failure(precision: str) -> str | None:
    """Why the engine must not be used, or None when it agrees with Paddle."""
    try:
        worst = disagreement(precision)
    except Exception as error:  # whatever it is, training goes on with Paddle's kernels
        return f"oneDNN failed its self-check: {type(error).__name__}: {error}"
    if not worst <= TOLERANCE[precision]:  # also when it is not a number
        return f"oneDNN disagrees with Paddle's kernels by {worst:.1e}"
    return None


def disagreement(precision: str) -> float:
    """The largest relative difference over output and gradients of a small network that has every layer type."""
    from paddle_cifar.engine import seam

    state = paddle.get_rng_state()
    try:
        network = nn.Sequential(
            nn.Conv2D(3, 16, 3, padding=1, bias_attr=False),
            nn.BatchNorm2D(16),
            nn.ReLU(),
            nn.Conv2D(16, 32, 3, stride=2, padding=1, bias_attr=False),
            nn.BatchNorm2D(32),
            nn.Silu(),
            nn.MaxPool2D(2),
            nn.Conv2D(32, 16, 1),
            nn.AdaptiveAvgPool2D(1),
        )
        image = paddle.randn([4, 3, 12, 12])
        weight = paddle.randn([4, 16, 1, 1])
    finally:
        paddle.set_rng_state(state)
    element = dnnl.BF16 if precision == "bf16" else dnnl.FLOAT32
    ours = _results(network, image, weight, element)
    theirs = _results(network, image, weight, None)
    assert seam.current() is None
    return max(
        float((one - other).norm() / (other.norm() + 1e-6)) for one, other in zip(ours, theirs, strict=True)
    )


def _results(
    network: nn.Layer, image: paddle.Tensor, weight: paddle.Tensor, element: int | None
) -> list[paddle.Tensor]:
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
    (output * weight).sum().backward()
    trained = [parameter for parameter in network.parameters() if not parameter.stop_gradient]
    results = [output.detach(), image.grad.clone(), *(parameter.grad.clone() for parameter in trained)]
    network.clear_gradients(set_to_zero=False)
    return results
