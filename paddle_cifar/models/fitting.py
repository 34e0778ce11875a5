"""Paddle's ImageNet networks, fitted to 32x32 images.

An ImageNet network shrinks its image 32 times: 224x224 becomes 7x7, but 32x32
becomes a single pixel. Each ``fit_*`` below changes a network in place so that
it shrinks 8 times and ends on a 4x4 map: its earliest reductions go (stride 2
becomes 1, the first pool is dropped) and its large first kernel becomes 3x3.
Nothing is added, and names in the state dict stay Paddle's. VGG and Inception
v3 differ; their functions say how.
"""

from __future__ import annotations

import math

from paddle import ParamAttr, nn


def fit_lenet(network: nn.Layer) -> None:
    """LeNet-5 (LeCun et al. 1998): three colours, and the paper's own unpadded 5x5 first layer.

    Paddle's 3x3 one is for 28x28 digits. With 5x5 a 32x32 image gives the same
    28x28, 14x14, 10x10, 5x5 maps as in the paper, and the 400 inputs ``fc`` expects.
    """
    network.features[0] = nn.Conv2D(3, 6, 5)


def fit_alexnet(network: nn.Layer) -> None:
    """AlexNet (Krizhevsky et al. 2012): 32 -> 16 -> 8 -> 4 by its three overlapping pools alone."""
    network._conv1._conv = nn.Conv2D(3, 64, 3, padding=1, **_scaled_uniform(3 * 3 * 3))
    for layer in (network._conv1, network._conv2, network._conv5):
        layer._pool = nn.MaxPool2D(kernel_size=3, stride=2, padding=1)
    network._fc6 = nn.Linear(256 * 4 * 4, 4096, **_scaled_uniform(256 * 4 * 4))


def fit_vgg(network: nn.Layer) -> None:
    """VGG (Simonyan & Zisserman 2015): all five pools stay, and the last map is 1x1.

    Paddle would blow that pixel up to 7x7 and give the first Linear 25,088 inputs,
    of which 49 at a time are equal; here it takes the 512 channels as they are.
    """
    network.avgpool = nn.AdaptiveAvgPool2D(1)
    network.classifier[0] = nn.Linear(512, 4096)


def fit_squeezenet(network: nn.Layer) -> None:
    """SqueezeNet (Iandola et al. 2016): 32 -> 16 -> 8 -> 4 by its three pools alone."""
    network._conv = _keep_size(network._conv)
    # One layer, used three times. Padded, or the maps would be 15, 7 and 3.
    network._pool = nn.MaxPool2D(kernel_size=3, stride=2, padding=1)


def fit_googlenet(network: nn.Layer) -> None:
    """GoogLeNet (Szegedy et al. 2015): 3x3 first convolution; ``googlenet.py`` drops the first pool."""
    network._conv._conv = _keep_size(network._conv._conv)
    # One layer, used three times. Padded, or the maps would be 15, 7 and 3.
    network._pool = nn.MaxPool2D(kernel_size=3, stride=2, padding=1)


def fit_inception(network: nn.Layer) -> None:
    """Inception v3 (Szegedy et al. 2016): the stem keeps 32x32, the rest is left alone.

    The paper's stem turns 299x299 into 35x35, and its modules work on maps of 35,
    17 and 8. Without the shrinking they get 32, 15 and 7 here, nearly the sizes
    they were designed for; that is total stride 4 rather than 8.
    """
    stem = network.inception_stem
    for block in (stem.conv_1a_3x3, stem.conv_2a_3x3, stem.conv_4a_3x3):
        block[0] = _keep_size(block[0])
    stem.max_pool = nn.Identity()


def fit_resnet(network: nn.Layer) -> None:
    """ResNet (He et al. 2016), ResNeXt, Wide ResNet-50-2: 3x3 first convolution, no max pool."""
    network.conv1 = _keep_size(network.conv1)
    network.maxpool = nn.Identity()


def fit_densenet(network: nn.Layer) -> None:
    """DenseNet (Huang et al. 2017): 3x3 first convolution, no max pool; the transitions halve thrice."""
    network.conv1_func._conv = _keep_size(network.conv1_func._conv)
    network.pool2d_max = nn.Identity()


def fit_mobilenet_v1(network: nn.Layer) -> None:
    """MobileNet (Howard et al. 2017): the first two of five stride-2 convolutions get stride 1."""
    network.conv1[0] = _keep_size(network.conv1[0])
    depthwise = network.conv2_2._depthwise_conv
    depthwise[0] = _keep_size(depthwise[0])


def fit_mobilenet_v2(network: nn.Layer) -> None:
    """MobileNet v2 (Sandler et al. 2018): the first two of five stride-2 convolutions get stride 1."""
    network.features[0][0] = _keep_size(network.features[0][0])
    depthwise = network.features[2].conv[1]
    depthwise[0] = _keep_size(depthwise[0])


def fit_mobilenet_v3(network: nn.Layer) -> None:
    """MobileNet v3 (Howard et al. 2019): the first two of five stride-2 convolutions get stride 1."""
    network.conv[0] = _keep_size(network.conv[0])
    index = next(i for i, config in enumerate(network.config) if config.stride == 2)
    block, config = network.blocks[index], network.config[index]
    block.bottleneck_conv[0] = _keep_size(block.bottleneck_conv[0])
    # The paper gives a shortcut to every block that keeps its shape; in "small" this one now does.
    block.use_res_connect = config.in_channels == config.out_channels


def fit_shufflenet(network: nn.Layer) -> None:
    """ShuffleNet v2 (Ma et al. 2018): first convolution with stride 1, no max pool."""
    network._conv1[0] = _keep_size(network._conv1[0])
    network._max_pool = nn.Identity()


def _keep_size(conv: nn.Conv2D) -> nn.Conv2D:
    """A 3x3 convolution with the channels of ``conv`` that keeps height and width.

    Made anew instead of changing the stride in place, which Paddle keeps private.
    """
    out_channels, in_channels_per_group = conv.weight.shape[:2]
    # Only dense and depthwise convolutions come here.
    groups = out_channels if in_channels_per_group == 1 else 1
    return nn.Conv2D(
        in_channels_per_group * groups,
        out_channels,
        kernel_size=3,
        padding=1,
        groups=groups,
        bias_attr=False if conv.bias is None else None,
    )


def _scaled_uniform(fan_in: int) -> dict[str, ParamAttr]:
    """The initialiser of Paddle's AlexNet: uniform within one over the root of the inputs."""
    bound = 1 / math.sqrt(fan_in)
    uniform = nn.initializer.Uniform(-bound, bound)
    return {"weight_attr": ParamAttr(initializer=uniform), "bias_attr": ParamAttr(initializer=uniform)}
