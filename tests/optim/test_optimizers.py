"""Each optimizer against its update rule written out in float64."""

from functools import partial

import numpy as np
import paddle
import pytest
from paddle import nn

from paddle_cifar.errors import UsageError
from paddle_cifar.optim.groups import parameter_groups
from paddle_cifar.optim.optimizers import build_optimizer

LR, DECAY, STEPS = 0.1, 0.05, 4


def sgd_by_hand(weight, gradients, decay, lr=LR, momentum=0.9):
    velocity = np.zeros_like(weight)
    for gradient in gradients:
        gradient = gradient + decay * weight
        velocity = momentum * velocity + gradient
        weight = weight - lr * (gradient + momentum * velocity)  # Nesterov looks one step ahead
    return weight


def adam_by_hand(weight, gradients, decay, decoupled=False, lr=LR):
    first, second = np.zeros_like(weight), np.zeros_like(weight)
    for t, gradient in enumerate(gradients, 1):
        if decoupled:
            weight = weight * (1 - lr * decay)
        else:
            gradient = gradient + decay * weight
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        scale = np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        weight = weight - lr * scale * first / (np.sqrt(second) + 1e-8 * np.sqrt(1 - 0.999**t))
    return weight


BY_HAND = {
    "sgd": sgd_by_hand,
    "adam": adam_by_hand,
    "adamw": partial(adam_by_hand, decoupled=True),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_steps_by_hand_with_decay_on_weights_only(name):
    paddle.seed(3)
    layer = nn.Linear(4, 3)
    start = {"weight": layer.weight.numpy(), "bias": layer.bias.numpy() + 1}
    layer.bias.set_value(start["bias"])
    optimizer = build_optimizer(name, layer, LR, weight_decay=DECAY)
    rng = np.random.default_rng(0)
    gradients = {key: rng.normal(size=(STEPS, *value.shape)) for key, value in start.items()}
    for step in range(STEPS):
        slopes = {key: paddle.to_tensor(value[step].astype("float32")) for key, value in gradients.items()}
        loss = (layer.weight * slopes["weight"]).sum() + (layer.bias * slopes["bias"]).sum()
        loss.backward()
        optimizer.minimize(loss)  # what paddle.Model calls
        optimizer.clear_grad()
    for key, decay in (("weight", DECAY), ("bias", 0.0)):
        expected = BY_HAND[name](start[key].astype(np.float64), gradients[key], decay)
        assert np.abs(getattr(layer, key).numpy() - expected).max() < 2e-6, key


def test_norms_and_biases_are_the_group_without_decay():
    network = nn.Sequential(nn.Conv2D(3, 4, 3), nn.BatchNorm2D(4), nn.Flatten(), nn.Linear(4, 2))
    decayed, free = parameter_groups(network, 0.1)
    assert decayed["weight_decay"] == 0.1 and free["weight_decay"] == 0.0
    assert {p.name for p in decayed["params"]} == {network[0].weight.name, network[3].weight.name}
    assert len(free["params"]) == 4  # two biases, the norm's scale and shift
    trainable = [p for p in network.parameters() if not p.stop_gradient]  # not the running statistics
    assert len(trainable) == 6


def test_frozen_parameters_are_left_out():
    layer = nn.Linear(4, 3)
    layer.weight.stop_gradient = True
    assert [len(group["params"]) for group in parameter_groups(layer, 0.1)] == [1]


def test_clipping_limits_the_global_norm():
    layer = nn.Linear(4, 3, bias_attr=False)
    before = layer.weight.numpy()
    optimizer = build_optimizer("sgd", layer, 1.0, momentum=0.0, grad_clip=0.5)
    loss = (layer.weight * 100).sum()
    loss.backward()
    optimizer.minimize(loss)
    assert np.linalg.norm(layer.weight.numpy() - before) == pytest.approx(0.5, rel=1e-5)


def test_a_loss_scaler_can_drive_it():
    """Under fp16 paddle.Model hands the optimizer to a GradScaler, which unpacks what minimize returns."""
    layer = nn.Linear(4, 3, bias_attr=False)
    before = layer.weight.numpy()
    optimizer = build_optimizer("sgd", layer, 1.0, momentum=0.0)
    loss = layer.weight.sum()
    loss.backward()
    _, _ = optimizer.minimize(loss)
    assert np.allclose(before - layer.weight.numpy(), 1)


def test_unknown_optimizer():
    with pytest.raises(UsageError, match="did you mean adam"):
        build_optimizer("adamm", nn.Linear(2, 2), 0.1)
