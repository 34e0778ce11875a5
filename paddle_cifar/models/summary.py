"""How large a network is: trainable parameters and multiply-accumulates for one image."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from paddle import Tensor, nn
from paddle.nn.initializer import Constant, set_global_initializer

from paddle_cifar.errors import UsageError
from paddle_cifar.models.build import build_network, check_model
from paddle_cifar.models.names import MODEL_NAMES
from paddle_cifar.models.trial import trial_pass

FLOAT32_BYTES = 4


class Summary(NamedTuple):
    """The size of a network."""

    params: int
    """Trainable numbers; the running statistics of batch normalisation are not trained."""
    macs: int
    """Multiply-accumulates of all convolutions and Linear layers for one 3x32x32 image."""

    @property
    def megabytes(self) -> float:
        """The parameters as float32, in MiB."""
        return self.params * FLOAT32_BYTES / 2**20


def count_parameters(network: nn.Layer) -> int:
    """Trainable numbers in the network."""
    # Paddle lists running means and variances among the parameters, with their gradient stopped.
    return sum(math.prod(p.shape) for p in network.parameters() if not p.stop_gradient)


def summarize(network: nn.Layer) -> Summary:
    """Count the parameters and the multiply-accumulates of ``network``."""
    return Summary(count_parameters(network), _count_macs(network))


def _count_macs(network: nn.Layer) -> int:
    macs = 0

    def count(layer: nn.Layer, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal macs
        # A convolution uses each weight once per output pixel, a Linear once in all.
        pixels = math.prod(output.shape[2:]) if isinstance(layer, nn.Conv2D) else 1
        macs += math.prod(layer.weight.shape) * pixels

    counted = [layer for layer in network.sublayers() if isinstance(layer, (nn.Conv2D, nn.Linear))]
    hooks = [layer.register_forward_post_hook(count) for layer in counted]
    try:
        trial_pass(network)
    finally:
        for hook in hooks:
            hook.remove()
    return macs


@contextmanager
def cheap_initialisation() -> Iterator[None]:
    """Build networks of zeros within: drawing random weights takes longer than counting them.

    Layers that name an initialiser of their own (AlexNet's) still draw. Afterwards
    Paddle's defaults hold again.
    """
    set_global_initializer(Constant(0.0), Constant(0.0))
    try:
        yield
    finally:
        set_global_initializer(None, None)


def summarize_models(
    names: Iterable[str] = MODEL_NAMES, stem: str = "cifar"
) -> Iterator[tuple[str, Summary]]:
    """Build, count and discard each network that takes ``stem``, in turn; UsageError for unknown names."""
    for name in names:
        try:
            check_model(name, stem)
        except UsageError:
            if stem == "imagenet" and name in MODEL_NAMES:
                continue  # this one only takes the CIFAR stem
            raise
        with cheap_initialisation():
            network = build_network(name, stem)
        yield name, summarize(network)


def format_table(rows: Iterable[tuple[str, Summary]]) -> Iterator[str]:
    """The lines of a table, each as soon as its network is counted.

    >>> print(*format_table([("resnet18", Summary(11_220_132, 555_468_800))], sep="\\n")
    model                       parameters       MB   MACs (M)
    resnet18                    11,220,132     42.8      555.5
    """
    yield f"{'model':<26}{'parameters':>12} {'MB':>8} {'MACs (M)':>10}"
    for name, summary in rows:
        yield f"{name:<26}{summary.params:>12,} {summary.megabytes:>8.1f} {summary.macs / 1e6:>10,.1f}"
