"""Shapes, gradients, stems and errors of the networks."""

import subprocess
import sys

import paddle
import pytest
from paddle import nn
from paddle.vision import models as zoo

from paddle_cifar.errors import UsageError
from paddle_cifar.models import FAMILIES, MODEL_NAMES, build_network, check_model
from paddle_cifar.models.catalogue import NETWORKS
from paddle_cifar.models.googlenet import GoogLeNet
from paddle_cifar.models.names import CIFAR_STEM_ONLY
from paddle_cifar.models.summary import cheap_initialisation
from tests.conftest import ROOT

# One of each family (and each kind of block), with the side of its last map under the CIFAR stem.
CHEAP = {
    "lenet": None,  # no pooling before the classifier
    "alexnet": None,
    "vgg11": 1,
    "squeezenet1_0": 4,
    "squeezenet1_1": 4,
    "googlenet": 4,
    "inception_v3": 7,
    "resnet18": 4,
    "resnext50_32x4d": 4,
    "densenet121": 4,
    "mobilenet_v1": 4,
    "mobilenet_v2": 4,
    "mobilenet_v3_small": 4,
    "mobilenet_v3_large": 4,
    "shufflenet_v2_x0_25": 4,
    "shufflenet_v2_swish": 4,
    "wrn_10_1": 8,
    "preact_resnet18": 4,
    "preact_resnet50": 4,
    "se_resnet18": 4,
    "se_resnet50": 4,
    "stochastic_depth_resnet18": 4,
    "cifar_resnet20": 8,
    "cifar_plain20": 8,
    "airbench_64_256_256": None,
}
IMAGENET_CHEAP = [name for name in CHEAP if name not in CIFAR_STEM_ONLY]


def forward_and_backward(network):
    """Logits of two random images, after the gradient of their loss went back through ``network``."""
    logits = network(paddle.rand([2, 3, 32, 32]))
    nn.functional.cross_entropy(logits, paddle.to_tensor([3, 99])).backward()
    return logits


def assert_every_parameter_has_a_gradient(network):
    trainable = {name: p for name, p in network.named_parameters() if not p.stop_gradient}
    assert [name for name, p in trainable.items() if p.grad is None] == []
    first = next(iter(trainable.values()))
    assert float(first.grad.abs().sum()) > 0
    assert all(bool(p.grad.isfinite().all()) for p in trainable.values())


def test_every_name_has_a_builder_and_a_cheap_relative():
    assert set(NETWORKS) == set(MODEL_NAMES)
    assert len(set(MODEL_NAMES)) == len(MODEL_NAMES)
    assert all(set(names) & set(CHEAP) for names in FAMILIES.values())


@pytest.mark.parametrize("name", CHEAP)
def test_cifar_stem(name):
    paddle.seed(0)
    network = build_network(name)
    sides = []
    for layer in network.sublayers():
        if isinstance(layer, nn.AdaptiveAvgPool2D):
            layer.register_forward_pre_hook(lambda layer, inputs: sides.append(inputs[0].shape[-1]))
    assert list(forward_and_backward(network).shape) == [2, 100]
    assert_every_parameter_has_a_gradient(network)
    assert (sides[-1] if sides else None) == CHEAP[name]


@pytest.mark.parametrize("name", IMAGENET_CHEAP)
def test_imagenet_stem(name):
    with cheap_initialisation():
        network = build_network(name, stem="imagenet", num_classes=10)
    network.eval()
    with paddle.no_grad():
        assert list(network(paddle.rand([2, 3, 32, 32])).shape) == [2, 10]


@pytest.mark.parametrize("name", ["resnet18", "se_resnet18", "stochastic_depth_resnet18", "preact_resnet18"])
def test_imagenet_stem_is_trained_too(name):
    paddle.seed(0)
    network = build_network(name, stem="imagenet")
    forward_and_backward(network)
    assert_every_parameter_has_a_gradient(network)
    assert list(network.conv1.weight.shape) == [64, 3, 7, 7]


@pytest.mark.parametrize("name", sorted(CIFAR_STEM_ONLY & set(dir(zoo)) | {"lenet"}))
def test_small_images_really_do_not_survive(name):
    """On the networks refused with the ImageNet stem: a map ends up smaller than a pool's window."""
    with cheap_initialisation():
        network = zoo.LeNet(100) if name == "lenet" else getattr(zoo, name)(num_classes=100)
    if name == "lenet":
        network.features[0] = nn.Conv2D(3, 6, 3, padding=1)

    def refuse_small_maps(layer, inputs):
        if inputs[0].shape[-1] + 2 * layer.padding < layer.ksize:
            raise ValueError("the map is smaller than the window")

    for layer in network.sublayers():
        if isinstance(layer, nn.MaxPool2D):
            layer.register_forward_pre_hook(refuse_small_maps)
    with pytest.raises(ValueError), paddle.no_grad():
        network(paddle.zeros([1, 3, 32, 32]))


@pytest.mark.parametrize("stem", ["cifar", "imagenet"])
@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "shufflenet_v2_x0_25"])
def test_state_dict_has_paddles_keys(name, stem):
    with cheap_initialisation():
        ours, paddles = build_network(name, stem), getattr(zoo, name)(num_classes=100)
    assert list(ours.state_dict()) == list(paddles.state_dict())


def test_gated_resnets_keep_paddles_keys():
    with cheap_initialisation():
        plain, dropped, squeezed = (
            set(build_network(f"{prefix}resnet18").state_dict())
            for prefix in ("", "stochastic_depth_", "se_")
        )
    assert dropped == plain
    assert {key for key in squeezed if ".gate." not in key} == plain


def test_googlenet_has_no_auxiliary_heads():
    with cheap_initialisation():
        keys = GoogLeNet().state_dict()
    assert not any("o1" in key or "out1" in key or "o2" in key or "out2" in key for key in keys)


def test_seed_governs_the_weights():
    def weights(seed):
        paddle.seed(seed)
        return build_network("wrn_10_1").conv1.weight.numpy()

    assert (weights(7) == weights(7)).all() and (weights(7) != weights(8)).any()


@pytest.mark.parametrize(
    ("name", "stem", "message"),
    [
        ("resnet81", "cifar", "unknown model 'resnet81'; did you mean resnet18"),
        ("ResNet18", "cifar", "did you mean resnet18"),
        ("resnet18", "imagnet", "unknown stem 'imagnet'; did you mean imagenet"),
        ("alexnet", "imagenet", "alexnet .* --stem cifar"),
        ("wrn_28_10", "imagenet", "wrn_28_10 .* --stem cifar"),
    ],
)
def test_errors_are_one_line(name, stem, message):
    with pytest.raises(UsageError, match=message) as caught:
        build_network(name, stem)
    assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match=message):
        check_model(name, stem)


def test_names_need_no_paddle():
    program = "import sys, paddle_cifar.models; sys.exit('paddle' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0
