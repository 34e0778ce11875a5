import numpy as np
import paddle
import pytest
from paddle import nn

from paddle_cifar.assembly import build_model
from paddle_cifar.config import TrainConfig
from paddle_cifar.optim.lookahead import Lookahead
from paddle_cifar.optim.optimizers import build_optimizer
from paddle_cifar.optim.radam import rectify
from tests.optim.steps import drive, random_gradients, weights
from tests.optim.test_optimizers import BY_HAND


@pytest.mark.parametrize("name", BY_HAND)
def test_every_third_step_goes_back_some_of_the_way(name):
    """The inner optimizer's own steps depend on gradients alone, so they are the differences by hand."""
    network = nn.Linear(4, 3)
    start, gradients = weights(network), random_gradients(network, 7)
    after = drive(
        build_optimizer(name, network, 0.1, lookahead_steps=3, lookahead_share=0.3), network, gradients
    )
    for key in start:
        path = [BY_HAND[name](start[key], gradients[key][:n], 0.0) for n in range(8)]
        fast = slow = start[key]
        for step in range(1, 8):
            fast = fast + path[step] - path[step - 1]
            if step % 3 == 0:
                slow = slow + 0.3 * (fast - slow)
                fast = slow
        assert np.abs(after[key] - fast).max() < 2e-6, key


def test_the_share_falls_along_a_cube_to_its_last_value():
    """airbench94's: weights kept 0.95**5 (t / T)**3 of the old ones at its steps, and T is the whole run."""
    network = nn.Linear(4, 3)
    start, gradients = weights(network), random_gradients(network, 7)
    optimizer = build_optimizer(
        "sgd", network, 0.1, lookahead_steps=2, lookahead_share=1 - 0.95**5, lookahead_ramp=6
    )
    after = drive(optimizer, network, gradients)
    for key in start:
        path = [BY_HAND["sgd"](start[key], gradients[key][:n], 0.0) for n in range(8)]
        fast = slow = start[key]
        for step in range(1, 8):
            fast = fast + path[step] - path[step - 1]
            if step % 2 == 0:
                kept = 0.95**5 * (step / 6) ** 3
                slow = kept * slow + (1 - kept) * fast
                fast = slow
        assert np.abs(after[key] - fast).max() < 2e-6, key
    lookahead = Lookahead(optimizer, 2, 0.25, 6)
    assert [lookahead.share_after(steps) for steps in (0, 6, 9)] == [1.0, 0.25, 0.25]
    assert Lookahead(optimizer, 2, 0.25).share_after(0) == 0.25


def test_a_ramp_is_as_long_as_the_run():
    for ramp, steps in ((False, 0), (True, 21)):
        config = TrainConfig(epochs=3, lookahead_steps=5, lookahead_ramp=ramp)
        model = build_model(config, nn.Linear(4, 3), "float32", steps_per_epoch=7)
        assert model._optimizer.ramp_steps == steps


def radam_by_hand(weight, gradients, decay, beta1=0.95, beta2=0.999, epsilon=1e-5, lr=0.1):
    """Algorithm 2 of the paper, with decoupled decay; the steps, not the sum."""
    mean, square, steps = 0, 0, []
    longest = 2 / (1 - beta2) - 1
    for t, gradient in enumerate(gradients, 1):
        mean = beta1 * mean + (1 - beta1) * gradient
        square = beta2 * square + (1 - beta2) * gradient**2
        corrected = mean / (1 - beta1**t)
        rho = longest - 2 * t * beta2**t / (1 - beta2**t)
        step = lr * decay * weight
        if rho > 5:
            r = np.sqrt(((rho - 4) * (rho - 2) * longest) / ((longest - 4) * (longest - 2) * rho))
            step = step + lr * r * corrected / (np.sqrt(square / (1 - beta2**t)) + epsilon)
        else:
            step = step + lr * corrected
        weight = weight - step
        steps.append(weight)
    return steps


@pytest.mark.parametrize("head_lr", [1.0, 2.0])
def test_ranger_by_hand(head_lr):
    """RAdam on the way to and after the step from which its variance is known, and Lookahead every sixth."""
    network = nn.Linear(4, 3)
    start, gradients = weights(network), random_gradients(network, 9)
    after = drive(build_optimizer("ranger", network, 0.1, 0.2, head_lr=head_lr), network, gradients)
    for key, decay in (("weight", 0.2 / head_lr), ("bias", 0.0)):
        rate = 0.1 * head_lr
        whole = radam_by_hand(start[key], gradients[key], decay, lr=rate)
        sixth = start[key] + 0.5 * (whole[5] - start[key])
        # From there on with RAdam's averages as they are: replay them, with the weight put back.
        replayed = sixth
        for t in range(6, 9):
            before = radam_by_hand(np.zeros_like(sixth), gradients[key][:t], 0.0, lr=rate)[-1]
            after_it = radam_by_hand(np.zeros_like(sixth), gradients[key][: t + 1], 0.0, lr=rate)[-1]
            replayed = replayed - rate * decay * replayed + after_it - before
        assert np.abs(after[key] - replayed).max() < 5e-6, key


def test_the_rectification_begins_at_the_sixth_step_and_goes_to_one():
    assert [rectify(t, 0.999) > 0 for t in range(1, 8)] == [False] * 5 + [True] * 2
    assert rectify(20_000, 0.999) == pytest.approx(1, abs=1e-3)
    assert rectify(6, 0.999) < rectify(60, 0.999) < rectify(600, 0.999)


@pytest.mark.parametrize("name", ["sgd", "adamw", "ranger", "muon"])
def test_the_state_is_whole(name):
    """From a copy of the state after 4 steps, 3 more steps give the same bits; without it they do not."""

    def made():
        paddle.seed(5)
        network = nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 3))
        return network, build_optimizer(name, network, 0.1, 0.01, lookahead_steps=3)

    network, optimizer = made()
    gradients = random_gradients(network, 7)
    drive(optimizer, network, {key: value[:4] for key, value in gradients.items()})
    state = {key: value.clone() for key, value in optimizer.state_dict().items()}
    names = {p.name: key for key, p in network.named_parameters()}
    halfway = {key: value.clone() for key, value in network.state_dict().items()}
    expected = drive(optimizer, network, gradients, first=4)

    def went_on(with_state):
        other, fresh = made()
        other.set_state_dict(halfway)
        if with_state:
            new_names = {key: p.name for key, p in other.named_parameters()}
            renamed = {}
            for key, value in state.items():
                old = max((n for n in names if key.startswith(n + "_")), key=len)
                renamed[new_names[names[old]] + key[len(old) :]] = value
            fresh.set_state_dict(renamed)
        return drive(fresh, other, gradients, first=4)

    resumed, without = went_on(True), went_on(False)
    assert all(np.array_equal(expected[key], resumed[key]) for key in expected)
    assert not any(np.array_equal(expected[key], without[key]) for key in expected)
