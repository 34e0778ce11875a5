"""The exact number of trainable parameters of every network."""

import pytest

from paddle_cifar.models import MODEL_NAMES, build_network
from paddle_cifar.models.summary import cheap_initialisation, count_parameters

# CIFAR stem, 100 classes.
PARAMS = {
    "lenet": 69_656,
    "alexnet": 36_420_516,
    "vgg11": 28_512_740,
    "vgg11_bn": 28_518_244,
    "vgg13": 28_697_252,
    "vgg13_bn": 28_703_140,
    "vgg16": 34_006_948,
    "vgg16_bn": 34_015_396,
    "vgg19": 39_316_644,
    "vgg19_bn": 39_327_652,
    "squeezenet1_0": 775_204,
    "squeezenet1_1": 773_796,
    "googlenet": 6_061_092,
    "inception_v3": 21_990_468,
    "resnet18": 11_220_132,
    "resnet34": 21_328_292,
    "resnet50": 23_705_252,
    "resnet101": 42_697_380,
    "resnet152": 58_341_028,
    "wide_resnet50_2": 67_031_460,
    "wide_resnet101_2": 125_034_916,
    "resnext50_32x4d": 23_177_124,
    "resnext50_64x4d": 43_340_708,
    "resnext101_32x4d": 42_325_924,
    "resnext101_64x4d": 81_603_492,
    "resnext152_32x4d": 58_099_620,
    "resnext152_64x4d": 113_120_164,
    "densenet121": 7_048_676,
    "densenet161": 26_681_380,
    "densenet169": 12_643_300,
    "densenet201": 18_277_348,
    "densenet264": 30_909_924,
    "mobilenet_v1": 3_309_476,
    "mobilenet_v2": 2_351_972,
    "mobilenet_v3_small": 1_620_356,
    "mobilenet_v3_large": 4_330_132,
    "shufflenet_v2_x0_25": 141_988,
    "shufflenet_v2_x0_33": 185_572,
    "shufflenet_v2_x0_5": 444_292,
    "shufflenet_v2_x1_0": 1_356_104,
    "shufflenet_v2_x1_5": 2_581_124,
    "shufflenet_v2_x2_0": 5_522_436,
    "shufflenet_v2_swish": 1_356_104,
    "wrn_10_1": 83_700,
    "wrn_16_1": 180_916,
    "wrn_16_4": 2_772_020,
    "wrn_28_10": 36_536_884,
    "wrn_40_10": 55_899_444,
    "preact_resnet18": 11_218_340,
    "preact_resnet50": 23_697_572,
    "se_resnet18": 11_309_212,
    "se_resnet50": 26_236_244,
    "stochastic_depth_resnet18": 11_220_132,
    "stochastic_depth_resnet50": 23_705_252,
    "cifar_resnet20": 275_572,
    "cifar_resnet44": 664_436,
    "cifar_plain20": 275_572,
    "cifar_plain44": 664_436,
    "airbench_64_256_256": 1_995_544,
    "airbench_64_256_352": 2_752_024,
    "airbench_64_256_768": 7_947_032,
    "airbench_resnet_64_384_576": 10_989_336,
    "airbench_resnet_128_384_576": 11_445_912,
    "airbench_resnet_128_512_768": 19_872_024,
}

# Torchvision's published counts for ImageNet, and the inputs of the last layer. shufflenet_v2_x2_0
# is not here: Paddle's has 224 channels where the paper and torchvision have 244.
TORCHVISION = {
    "alexnet": (61_100_840, 4096),
    "vgg11": (132_863_336, 4096),
    "vgg11_bn": (132_868_840, 4096),
    "vgg13": (133_047_848, 4096),
    "vgg13_bn": (133_053_736, 4096),
    "vgg16": (138_357_544, 4096),
    "vgg16_bn": (138_365_992, 4096),
    "vgg19": (143_667_240, 4096),
    "vgg19_bn": (143_678_248, 4096),
    "squeezenet1_0": (1_248_424, 512),
    "squeezenet1_1": (1_235_496, 512),
    "resnet18": (11_689_512, 512),
    "resnet34": (21_797_672, 512),
    "resnet50": (25_557_032, 2048),
    "resnet101": (44_549_160, 2048),
    "resnet152": (60_192_808, 2048),
    "wide_resnet50_2": (68_883_240, 2048),
    "wide_resnet101_2": (126_886_696, 2048),
    "resnext50_32x4d": (25_028_904, 2048),
    "resnext101_64x4d": (83_455_272, 2048),
    "densenet121": (7_978_856, 1024),
    "densenet161": (28_681_000, 2208),
    "densenet169": (14_149_480, 1664),
    "densenet201": (20_013_928, 1920),
    "mobilenet_v2": (3_504_872, 1280),
    "mobilenet_v3_small": (2_542_856, 1024),
    "mobilenet_v3_large": (5_483_032, 1280),
    "shufflenet_v2_x0_5": (1_366_792, 1024),
    "shufflenet_v2_x1_0": (2_278_604, 1024),
    "shufflenet_v2_x1_5": (3_503_624, 1024),
}


def lost_in_the_stem(name):
    """How many parameters the CIFAR stem saves: mostly a 7x7 first kernel that became 3x3."""
    if name == "alexnet":  # an 11x11 kernel, and a last map of 4x4 instead of 6x6
        return 3 * 64 * (11**2 - 3**2) + 256 * (6**2 - 4**2) * 4096
    if name.startswith("vgg"):  # the first Linear: 512 inputs instead of 512 maps of 7x7
        return 512 * (7**2 - 1) * 4096
    if name.startswith(("resne", "wide_resnet", "densenet", "squeezenet1_0")):
        channels = {"densenet161": 96, "squeezenet1_0": 96}.get(name, 64)
        return 3 * channels * (7**2 - 3**2)
    return 0


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_parameter_count(name):
    with cheap_initialisation():
        assert count_parameters(build_network(name)) == PARAMS[name]


@pytest.mark.parametrize("name", TORCHVISION)
def test_counts_agree_with_torchvision(name):
    params, features = TORCHVISION[name]
    head = (1000 - 100) * (features + 1)
    assert PARAMS[name] == params - head - lost_in_the_stem(name)


def test_squeeze_excitation_adds_two_linears_a_block():
    def gate(channels):
        return 2 * channels * (channels // 16) + channels // 16 + channels

    added = 2 * sum(gate(channels) for channels in (64, 128, 256, 512))
    assert PARAMS["se_resnet18"] - PARAMS["resnet18"] == added


def test_imagenet_stem_count():
    with cheap_initialisation():
        assert count_parameters(build_network("resnet50", stem="imagenet")) == 23_712_932
