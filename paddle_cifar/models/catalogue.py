"""Every model name and the function that builds it: ``NETWORKS[name](stem, num_classes)``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from paddle import nn
from paddle.vision import models as zoo

from paddle_cifar.models import fitting
from paddle_cifar.models.airbench import airbench
from paddle_cifar.models.googlenet import googlenet
from paddle_cifar.models.names import FAMILIES
from paddle_cifar.models.plain import cifar_resnet
from paddle_cifar.models.preact_resnet import preact_resnet, wide_resnet
from paddle_cifar.models.squeeze_excitation import se_resnet
from paddle_cifar.models.stochastic_depth import stochastic_depth_resnet

Builder = Callable[[str, int], nn.Layer]

# How each family of paddle.vision.models is fitted to 32x32.
FITTERS: dict[str, Callable[[nn.Layer], None]] = {
    "lenet": fitting.fit_lenet,
    "alexnet": fitting.fit_alexnet,
    "vgg": fitting.fit_vgg,
    "squeezenet": fitting.fit_squeezenet,
    "inception": fitting.fit_inception,
    "resnet": fitting.fit_resnet,
    "densenet": fitting.fit_densenet,
    "mobilenet_v1": fitting.fit_mobilenet_v1,
    "mobilenet_v2": fitting.fit_mobilenet_v2,
    "mobilenet_v3": fitting.fit_mobilenet_v3,
    "shufflenet": fitting.fit_shufflenet,
}


def _constructor(name: str) -> Callable[..., nn.Layer]:
    """Paddle's own function or class for ``name``."""
    if name == "lenet":
        return zoo.LeNet
    if name.endswith("_bn"):
        return partial(getattr(zoo, name[: -len("_bn")]), batch_norm=True)
    return getattr(zoo, name)


def _paddle_network(name: str, fit: Callable[[nn.Layer], None]) -> Builder:
    def build(stem: str, num_classes: int) -> nn.Layer:
        network = _constructor(name)(num_classes=num_classes)
        if stem == "cifar":
            fit(network)
        return network

    return build


NETWORKS: dict[str, Builder] = {
    **{name: _paddle_network(name, fit) for family, fit in FITTERS.items() for name in FAMILIES[family]},
    "googlenet": googlenet,
    "wrn_10_1": partial(wide_resnet, 10, 1),
    "wrn_16_1": partial(wide_resnet, 16, 1),
    "wrn_16_4": partial(wide_resnet, 16, 4),
    "wrn_28_10": partial(wide_resnet, 28, 10),
    "wrn_40_10": partial(wide_resnet, 40, 10),
    "preact_resnet18": partial(preact_resnet, 18),
    "preact_resnet50": partial(preact_resnet, 50),
    "se_resnet18": partial(se_resnet, 18),
    "se_resnet50": partial(se_resnet, 50),
    "stochastic_depth_resnet18": partial(stochastic_depth_resnet, 18),
    "stochastic_depth_resnet50": partial(stochastic_depth_resnet, 50),
    "cifar_resnet20": partial(cifar_resnet, 20, True),
    "cifar_resnet44": partial(cifar_resnet, 44, True),
    "cifar_plain20": partial(cifar_resnet, 20, False),
    "cifar_plain44": partial(cifar_resnet, 44, False),
    "airbench_64_256_256": partial(airbench, (64, 256, 256), False),
    "airbench_64_256_352": partial(airbench, (64, 256, 352), False),
    "airbench_64_256_768": partial(airbench, (64, 256, 768), False),
    "airbench_resnet_64_384_576": partial(airbench, (64, 384, 576), True),
    "airbench_resnet_128_384_576": partial(airbench, (128, 384, 576), True),
    "airbench_resnet_128_512_768": partial(airbench, (128, 512, 768), True),
}
