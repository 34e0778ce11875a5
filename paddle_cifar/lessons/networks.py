"""ResNets side by side, counted on the networks themselves."""

from __future__ import annotations

from collections.abc import Iterable

from paddle import nn

from paddle_cifar.models import build_network
from paddle_cifar.models.summary import cheap_initialisation, summarize


def layers_with_weights(network: nn.Layer) -> int:
    """Convolutions and Linear layers, those on shortcuts left out: the number in a ResNet's name."""
    return sum(
        isinstance(layer, (nn.Conv2D, nn.Linear)) and "downsample" not in name
        for name, layer in network.named_sublayers()
    )


def resnet_table(names: Iterable[str], stem: str = "cifar") -> str:
    """A Markdown table of Paddle's ResNets: block, blocks a stage, layers, parameters, MB and MACs.

    Multiply-accumulates are for one 32x32 image; MB are the parameters as float32, in MiB.
    """
    lines = [
        "| network | block | blocks per stage | layers | parameters | MB | MACs (M) |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for name in names:
        with cheap_initialisation():
            network = build_network(name, stem)
        stages = [network.layer1, network.layer2, network.layer3, network.layer4]
        block = type(stages[0][0]).__name__.removesuffix("Block").lower()
        counts = " + ".join(str(len(stage)) for stage in stages)
        size = summarize(network)
        lines.append(
            f"| {name} | {block} | {counts} | {layers_with_weights(network)} | {size.params:,} "
            f"| {size.megabytes:.1f} | {size.macs / 1e6:,.1f} |"
        )
    return "\n".join(lines)
