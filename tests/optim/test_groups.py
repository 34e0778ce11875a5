import numpy as np
import paddle
import pytest
from paddle import nn

from paddle_cifar.models import build_network
from paddle_cifar.optim.groups import head_of, hidden_weights, parameter_groups
from paddle_cifar.optim.optimizers import build_optimizer
from tests.optim.steps import drive, parameters, random_gradients, weights
from tests.optim.test_optimizers import BY_HAND


def small_network():
    return nn.Sequential(nn.Conv2D(3, 4, 3), nn.BatchNorm2D(4), nn.Flatten(), nn.Linear(4, 2))


def test_rates_and_decay_of_each_group():
    network = small_network()
    names = {parameter.name: name for name, parameter in parameters(network).items()}
    found = {
        names[parameter.name]: (group["learning_rate"], group["weight_decay"])
        for group in parameter_groups(network, 0.3, head_lr=2.0, norm_lr=5.0)
        for parameter in group["params"]
    }
    assert found == {
        "0.weight": (1.0, 0.3),
        "0.bias": (5.0, 0.0),
        "1.weight": (5.0, 0.0),
        "1.bias": (5.0, 0.0),
        "3.weight": (2.0, 0.15),
        "3.bias": (2.0, 0.0),
    }


@pytest.mark.parametrize("name", BY_HAND)
def test_factors_are_factors_on_the_rate(name):
    """Steps by hand with the group's own rate, written out for the whole network."""
    paddle.seed(0)
    network = small_network()
    start, gradients = weights(network), random_gradients(network, 3)
    factors = {"3.weight": 2.0, "3.bias": 2.0, "0.weight": 1.0}
    after = drive(build_optimizer(name, network, 0.1, 0.05, head_lr=2.0, norm_lr=0.5), network, gradients)
    for key, value in after.items():
        factor = factors.get(key, 0.5)
        decay = 0.05 / factor if "weight" in key and "1." not in key else 0.0
        expected = BY_HAND[name](start[key], gradients[key], decay, lr=0.1 * factor)
        assert np.abs(value - expected).max() < 2e-6, key


@pytest.mark.parametrize("model", ["resnet18", "lenet", "mobilenet_v3_small", "se_resnet18"])
def test_the_head_is_the_layer_that_makes_the_logits(model):
    network = build_network(model, num_classes=7)
    head = head_of(network)
    made = []
    head.register_forward_post_hook(lambda layer, inputs, output: made.append(output))
    network.eval()
    assert network(paddle.zeros([1, 3, 32, 32])) is made[-1] and head.weight.shape[1] == 7
    hidden = hidden_weights(network)
    assert all(weight.ndim > 1 and weight is not head.weight for weight in hidden)
    assert len(hidden) == sum(p.ndim > 1 and not p.stop_gradient for p in network.parameters()) - 1


@pytest.mark.parametrize("model", ["squeezenet1_0", "squeezenet1_1"])
def test_squeezenets_last_convolution_is_its_head(model):
    network = build_network(model, num_classes=7)
    head = head_of(network)
    assert head is network._conv9 and head.weight.shape[0] == 7
    assert all(weight is not head.weight for weight in hidden_weights(network))
    groups = parameter_groups(network, 0.1, head_lr=20.0)
    fast = [p.name for group in groups if group["learning_rate"] == 20.0 for p in group["params"]]
    assert sorted(fast) == sorted(p.name for p in head.parameters())


def test_a_network_without_a_linear_layer_ends_in_a_convolution():
    network = nn.Sequential(nn.Conv2D(3, 4, 3))
    assert head_of(network) is network[0] and head_of(nn.ReLU()) is None
    groups = parameter_groups(network, 0.1, head_lr=3.0)
    assert [len(group["params"]) for group in groups] == [1, 1]
    assert [group["learning_rate"] for group in groups] == [3.0, 3.0]


def test_the_gradient_norm_is_clipped_over_all_groups_together():
    network = small_network()
    start, gradients = weights(network), random_gradients(network, 1, scale=100)
    after = drive(build_optimizer("sgd", network, 1.0, momentum=0.0, grad_clip=0.5), network, gradients)
    norm = np.sqrt(sum(((after[name] - start[name]) ** 2).sum() for name in start))
    assert norm == pytest.approx(0.5, rel=1e-4)
    scale = 0.5 / np.sqrt(sum((gradient**2).sum() for gradient in gradients.values()))
    for name, gradient in gradients.items():
        assert np.allclose(start[name] - after[name], gradient[0] * scale, atol=1e-6)
