"""Class-activation maps against the definition, behind average pooling and one linear layer."""

import numpy as np
import paddle
import pytest
from paddle import nn
from PIL import Image

from paddle_cifar.data.loader import normalise
from paddle_cifar.precision import choose_arithmetic
from paddle_cifar.prediction.cam import class_activation, overlay
from paddle_cifar.prediction.classifier import Classifier
from paddle_cifar.trained import Trained

IMAGE = np.random.default_rng(0).integers(0, 256, (3, 32, 32), dtype=np.uint8)


def classifier_of(network, engine="paddle"):
    return Classifier(Trained(network, "last", 0, *choose_arithmetic(network, "cpu", engine, "float32")), 8)


@pytest.mark.parametrize("engine", ["paddle", "auto"])
def test_it_is_the_map_of_zhou_behind_average_pooling(engine):
    paddle.seed(1)
    body = nn.Sequential(
        nn.Conv2D(3, 6, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2D(6, 5, 3, stride=2, padding=1)
    )
    head = nn.Linear(5, 100)
    network = nn.Sequential(body, nn.AdaptiveAvgPool2D(1), nn.Flatten(), head)
    network.eval()
    maps = body(paddle.to_tensor(normalise(IMAGE[None])))[0].numpy().astype(np.float64)
    for label in (0, 17, 99):
        expected = np.einsum("c,chw->hw", head.weight.numpy()[:, label], maps).clip(0)
        activation = class_activation(classifier_of(network, engine), IMAGE, label)
        assert activation.shape == (32, 32) and activation.min() >= 0
        if expected.max() > 0:
            scaled = Image.fromarray((expected / expected.max()).astype(np.float32)).resize(
                (32, 32), Image.Resampling.BILINEAR
            )
            np.testing.assert_allclose(activation, np.asarray(scaled), atol=1e-4)
            assert activation.max() > 0.5


def test_it_points_at_what_counts():
    """A network that only measures how red the picture is looks at its red corner."""
    network = nn.Sequential(
        nn.Conv2D(3, 1, 4, stride=4), nn.AdaptiveAvgPool2D(1), nn.Flatten(), nn.Linear(1, 100)
    )
    network[0].weight.set_value(paddle.to_tensor([[[[1.0]], [[0.0]], [[0.0]]]]).expand([1, 3, 4, 4]))
    network[0].bias.set_value(paddle.zeros([1]))
    network[3].weight.set_value(paddle.ones([1, 100]))
    network.eval()
    image = np.zeros((3, 32, 32), np.uint8)
    image[0, 20:28, 4:12] = 255
    activation = class_activation(classifier_of(network), image, 3)
    assert np.unravel_index(activation.argmax(), (32, 32))[0] in range(20, 28)
    assert activation[:12].max() == 0 and activation[:, 20:].max() == 0 and activation.max() > 0.9


def test_a_network_without_maps_has_none_and_keeps_no_hook():
    network = nn.Sequential(nn.Flatten(), nn.Linear(3072, 100))
    network.eval()
    classifier = classifier_of(network)
    before = classifier.logits(IMAGE)
    assert not class_activation(classifier, IMAGE, 0).any()
    assert not any(layer._forward_post_hooks for layer in network.sublayers(include_self=True))
    assert all(parameter.grad is None for parameter in network.parameters())
    assert np.array_equal(classifier.logits(IMAGE), before)


def test_overlay():
    grey = np.full((3, 32, 32), 100, np.uint8)
    plain = overlay(grey, np.zeros((32, 32), np.float32))
    assert (plain == 100).all() and plain.shape == (32, 32, 3) and plain.dtype == np.uint8
    red = overlay(grey, np.ones((32, 32), np.float32))
    assert (red[..., 0] == round(100 * 0.3 + 255 * 0.7)).all() and (red[..., 1] == 30).all()
