"""Counting parameters and multiply-accumulates."""

import pytest
from paddle import nn

from paddle_cifar.errors import UsageError
from paddle_cifar.models import build_network
from paddle_cifar.models.summary import (
    Summary,
    cheap_initialisation,
    format_table,
    summarize,
    summarize_models,
)


class Toy(nn.Layer):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2D(3, 8, 3, stride=2, padding=1)
        self.depthwise = nn.Conv2D(8, 8, 3, padding=1, groups=8, bias_attr=False)
        self.bn = nn.BatchNorm2D(8)
        self.fc = nn.Linear(8, 10)

    def forward(self, image):
        return self.fc(self.bn(self.depthwise(self.conv(image))).mean(axis=[2, 3]))


def test_summary_of_a_network_counted_by_hand():
    toy = Toy()
    params = (3 * 8 * 9 + 8) + 8 * 9 + 2 * 8 + (8 * 10 + 10)
    macs = (3 * 8 * 9 + 8 * 9) * 16 * 16 + 8 * 10
    assert summarize(toy) == (params, macs)


def test_summary_leaves_no_trace():
    toy = Toy()
    mean = toy.bn._mean.clone()
    assert summarize(toy) == summarize(toy)
    assert toy.training
    assert bool((toy.bn._mean == mean).all())
    toy.eval()
    summarize(toy)
    assert not toy.training


def test_summary_of_resnet18():
    with cheap_initialisation():
        network = build_network("resnet18")
    # 3x3 convolutions: the first, 4 at 32x32, then three stages of equal cost; one Linear.
    stage = (64 * 128 * 9 + 3 * 128 * 128 * 9 + 64 * 128) * 16 * 16
    macs = 3 * 64 * 9 * 32 * 32 + 4 * 64 * 64 * 9 * 32 * 32 + 3 * stage + 512 * 100
    assert summarize(network) == (11_220_132, macs) == (11_220_132, 555_468_800)


def test_cheap_initialisation_ends():
    with cheap_initialisation():
        assert float(nn.Linear(4, 4).weight.abs().sum()) == 0
    assert float(nn.Linear(4, 4).weight.abs().sum()) > 0
    with pytest.raises(RuntimeError), cheap_initialisation():
        raise RuntimeError
    assert float(nn.Conv2D(4, 4, 1).weight.abs().sum()) > 0


def test_table():
    lines = list(format_table([("resnet18", Summary(11_220_132, 555_468_800))]))
    assert lines == [
        "model                       parameters       MB   MACs (M)",
        "resnet18                    11,220,132     42.8      555.5",
    ]


def test_listing_skips_what_the_stem_cannot_take():
    names = ["lenet", "shufflenet_v2_x0_25", "wrn_10_1"]
    assert [name for name, _ in summarize_models(names)] == names
    assert [name for name, _ in summarize_models(names, stem="imagenet")] == ["shufflenet_v2_x0_25"]
    with pytest.raises(UsageError, match="unknown model"):
        list(summarize_models(["resnet81"]))
