"""The names of the networks: the one place where they are written down.

Plain strings, so that the command line can list and check them without the
seconds it takes to import Paddle. ``catalogue.py`` gives each name its function.
"""

from __future__ import annotations

STEMS = ("cifar", "imagenet")

FAMILIES: dict[str, tuple[str, ...]] = {
    # paddle.vision.models
    "lenet": ("lenet",),
    "alexnet": ("alexnet",),
    "vgg": ("vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn"),
    "squeezenet": ("squeezenet1_0", "squeezenet1_1"),
    "googlenet": ("googlenet",),
    "inception": ("inception_v3",),
    "resnet": (
        "resnet18",
        "resnet34",
        "resnet50",
        "resnet101",
        "resnet152",
        "wide_resnet50_2",
        "wide_resnet101_2",
        "resnext50_32x4d",
        "resnext50_64x4d",
        "resnext101_32x4d",
        "resnext101_64x4d",
        "resnext152_32x4d",
        "resnext152_64x4d",
    ),
    "densenet": ("densenet121", "densenet161", "densenet169", "densenet201", "densenet264"),
    "mobilenet_v1": ("mobilenet_v1",),
    "mobilenet_v2": ("mobilenet_v2",),
    "mobilenet_v3": ("mobilenet_v3_small", "mobilenet_v3_large"),
    "shufflenet": (
        "shufflenet_v2_x0_25",
        "shufflenet_v2_x0_33",
        "shufflenet_v2_x0_5",
        "shufflenet_v2_x1_0",
        "shufflenet_v2_x1_5",
        "shufflenet_v2_x2_0",
        "shufflenet_v2_swish",
    ),
    # this package
    "wide_resnet": ("wrn_10_1", "wrn_16_1", "wrn_16_4", "wrn_28_10", "wrn_40_10"),
    "preact_resnet": ("preact_resnet18", "preact_resnet50"),
    "se_resnet": ("se_resnet18", "se_resnet50"),
    "stochastic_depth": ("stochastic_depth_resnet18", "stochastic_depth_resnet50"),
    "cifar_resnet": ("cifar_resnet20", "cifar_resnet44", "cifar_plain20", "cifar_plain44"),
    "airbench": (
        "airbench_64_256_256",
        "airbench_64_256_352",
        "airbench_64_256_768",
        "airbench_resnet_64_384_576",
        "airbench_resnet_128_384_576",
        "airbench_resnet_128_512_768",
    ),
}

MODEL_NAMES: tuple[str, ...] = tuple(name for names in FAMILIES.values() for name in names)

# 32x32 images do not survive the ImageNet stem of these: maps get smaller than the 3x3 windows of
# a later pool or convolution (LeNet: its first Linear expects a 28x28 digit). Trying is no proof:
# Paddle 3.3 runs Inception v3 on empty maps and returns NaN, and gives SqueezeNet 1.0's 2x2 map
# under a 3x3 pool one pixel, where ONNX gives none. Wide residual networks, He's for CIFAR and
# airbench's were only ever defined for CIFAR.
CIFAR_STEM_ONLY: frozenset[str] = frozenset(
    (
        *("lenet", "alexnet", "squeezenet1_0", "googlenet", "inception_v3"),
        *FAMILIES["wide_resnet"],
        *FAMILIES["cifar_resnet"],
        *FAMILIES["airbench"],
    )
)
