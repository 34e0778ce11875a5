"""The gates of the residual branches: squeeze-and-excitation, stochastic depth."""

import paddle
import pytest

from paddle_cifar.models import build_network
from paddle_cifar.models.squeeze_excitation import SqueezeExcitation
from paddle_cifar.models.stochastic_depth import DropBranch
from paddle_cifar.models.summary import cheap_initialisation


def test_squeeze_excitation_weighs_channels():
    paddle.seed(0)
    gate = SqueezeExcitation(32)
    x = 10 * paddle.randn([4, 32, 5, 5])
    weights = gate.weights(x)
    assert list(weights.shape) == [4, 32, 1, 1]
    assert 0 < float(weights.min()) < float(weights.max()) < 1
    assert bool(paddle.allclose(gate(x), x * weights))


def test_drop_branch_keeps_or_drops_whole_images():
    paddle.seed(0)
    dropped = DropBranch(0.5)(paddle.ones([64, 3, 2, 2])).flatten(1)
    assert bool((dropped == dropped[:, :1]).all())
    assert {float(value) for value in dropped[:, 0]} == {0.0, 2.0}


@pytest.mark.parametrize("survival", [0.5, 0.8, 1.0])
def test_drop_branch_keeps_the_expectation(survival):
    paddle.seed(0)
    mean = float(DropBranch(survival)(paddle.ones([20_000, 1, 1, 1])).mean())
    assert mean == pytest.approx(1, abs=0.03)  # 4 standard deviations at survival 0.5


def test_drop_branch_is_identity_in_eval():
    gate = DropBranch(0.5)
    gate.eval()
    x = paddle.randn([8, 2, 3, 3])
    assert gate(x) is x


def test_drop_branch_follows_the_seed():
    def draw(seed):
        paddle.seed(seed)
        return DropBranch(0.5)(paddle.ones([64, 1, 1, 1])).flatten().tolist()

    assert draw(1) == draw(1) != draw(2)


@pytest.mark.parametrize(("depth", "blocks"), [(18, 8), (50, 16)])
def test_survival_falls_linearly_to_a_half(depth, blocks):
    with cheap_initialisation():
        network = build_network(f"stochastic_depth_resnet{depth}")
    survivals = [layer.survival for layer in network.sublayers() if isinstance(layer, DropBranch)]
    assert survivals == pytest.approx([1 - number / blocks / 2 for number in range(1, blocks + 1)])


def test_stochastic_depth_network_is_random_in_training_only():
    paddle.seed(0)
    network = build_network("stochastic_depth_resnet18", stem="imagenet")
    images = paddle.rand([16, 3, 32, 32])
    with paddle.no_grad():
        assert not bool(paddle.allclose(network(images), network(images)))
        network.eval()
        assert bool((network(images) == network(images)).all())


def test_stochastic_depth_evaluates_as_a_plain_resnet():
    paddle.seed(0)
    plain = build_network("resnet18", stem="imagenet")
    dropping = build_network("stochastic_depth_resnet18", stem="imagenet")
    dropping.set_state_dict(plain.state_dict())
    plain.eval()
    dropping.eval()
    images = paddle.rand([2, 3, 32, 32])
    with paddle.no_grad():
        assert bool(paddle.allclose(plain(images), dropping(images), atol=1e-5))
