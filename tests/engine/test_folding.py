"""Evaluation with norm, addition and ReLU folded into the convolution, against Paddle's own layers."""

import numpy as np
import paddle
import pytest
from paddle import nn
from paddle.nn import functional

from paddle_cifar.data.loader import normalise
from paddle_cifar.data.synthetic import make_synthetic
from paddle_cifar.engine import apply_engine, codegen, convolution, dnnl, folding
from paddle_cifar.models import build_network
from paddle_cifar.prediction.pretrained import load_pretrained


@pytest.fixture(autouse=True)
def always_at_once(monkeypatch, needs_library):
    """Not whichever way is faster here, so that what is tested does not depend on the clock."""
    monkeypatch.setattr(folding, "fastest", lambda _, problem, ways, *given: ways["folded"](problem, *given))


class Block(nn.Layer):
    """All that a convolution may take along, in every order that networks have."""

    def __init__(self, bias, norm_options):
        super().__init__()
        bias_attr = None if bias else False
        self.first = nn.Conv2D(3, 8, 3, padding=1, bias_attr=bias_attr)
        self.second = nn.Conv2D(8, 8, 3, padding=1, groups=2, bias_attr=bias_attr)
        self.shortcut = nn.Conv2D(3, 8, 1, bias_attr=bias_attr)
        self.norms = nn.LayerList([nn.BatchNorm2D(8, **norm_options) for _ in range(3)])

    def forward(self, image):
        one, two, three = self.norms
        first = self.first(image)
        hidden = self.second(functional.relu(one(first)))
        total = functional.relu(two(hidden) + three(self.shortcut(image)))
        return [
            total,
            first,
            self.second(first) + first,
            functional.relu(hidden),
            one(two(hidden)),
            hidden * 2,
        ]


def with_statistics(network):
    """Weights and running statistics as after training; a norm's are far from 0 and 1."""
    paddle.seed(3)
    for layer in network.sublayers():
        if isinstance(layer, nn.BatchNorm2D):
            layer._mean.set_value(0.3 * paddle.randn(layer._mean.shape))
            layer._variance.set_value(paddle.rand(layer._mean.shape) + 0.5)
            for parameter in (layer.weight, layer.bias):
                if parameter is not None:
                    parameter.set_value(paddle.rand(parameter.shape) + 0.3)
    network.eval()
    return network


@paddle.no_grad()
def both(network, image):
    """Paddle's results and the engine's."""
    expected = network(image)
    report = apply_engine(network, "onednn", "float32")
    assert report.engine == "onednn", report
    found = network(image)
    assert network._engine.working, "the engine turned itself off"
    return expected, found


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("options", [{}, {"weight_attr": False, "bias_attr": False}, {"epsilon": 0.1}])
def test_every_order_of_layers(bias, options):
    network = with_statistics(Block(bias, options))
    for expected, found in zip(*both(network, paddle.randn([3, 3, 9, 7])), strict=True):
        np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("model", ["resnet18", "wrn_10_1", "resnet50"])
def test_networks(model):
    network = with_statistics(build_network(model))
    expected, found = both(network, paddle.randn([2, 3, 32, 32]))
    difference = np.abs(found.numpy() - expected.numpy()).max()
    assert difference <= 1e-5 * np.abs(expected.numpy()).max()


@pytest.mark.usefixtures("needs_kernels")
def test_winograds_way_takes_along_the_same(monkeypatch):
    used = []

    def prefer(what, problem, ways, *given):
        used.append((what, "winograd" in ways))
        return ways.get("winograd", ways["folded"])(problem, *given)

    monkeypatch.setattr(folding, "fastest", prefer)
    network = with_statistics(build_network("resnet18"))
    expected, found = both(network, paddle.randn([8, 3, 32, 32]))
    difference = np.abs(found.numpy() - expected.numpy()).max()
    assert difference <= 1e-5 * np.abs(expected.numpy()).max()
    by_winograd = {what for what, possible in used if possible}
    assert by_winograd == {"evaluation, norm, relu", "evaluation, norm, added, relu"}


@pytest.mark.skipif(codegen.hindrance(dnnl.BF16) is not None, reason="no kernels in bf16")
def test_winograds_way_in_bf16_moves_a_trained_network_little(monkeypatch):
    """Less than twice as far as bf16 does anyway; of random weights this would say nothing."""
    network = load_pretrained({})[0].network
    image = paddle.to_tensor(normalise(make_synthetic(100, 100).test.images))
    answers, used = {}, []

    def prefer(way):
        def choose(what, problem, ways, *given, **options):
            used.append(way if way in ways else next(iter(ways)))
            return ways[used[-1]](problem, *given)

        return choose

    for precision, way in (("float32", "direct"), ("bf16", "direct"), ("bf16", "winograd")):
        assert apply_engine(network, "onednn", precision).precision == precision
        for module in (folding, convolution):
            monkeypatch.setattr(module, "fastest", prefer(way))
        with paddle.no_grad():
            answers[precision, way] = network(image).numpy().astype(np.float64)
        assert network._engine.working
    exact = answers["float32", "direct"]
    size = np.linalg.norm(exact - exact.mean(0))
    plain, winograd = (np.linalg.norm(answers["bf16", way] - exact) / size for way in ("direct", "winograd"))
    assert used.count("winograd") == 5  # all 3x3 convolutions but the first, which has too few channels
    assert 0 < plain < winograd < 2 * plain < 0.05


def test_trying_winograds_way_keeps_no_weights_that_nobody_needs(monkeypatch):
    def try_all(what, problem, ways, *given):
        results = {name: way(problem, *given) for name, way in ways.items()}
        return results["folded"]

    monkeypatch.setattr(folding, "fastest", try_all)
    network = nn.Sequential(nn.Conv2D(32, 32, 3, padding=1))
    network.eval()
    apply_engine(network, "onednn", "float32")
    folding.keep(network)
    with paddle.no_grad():
        network(paddle.randn([8, 32, 8, 8]))
    assert len(network[0].__dict__["_kept"]) == 1


def counted(monkeypatch):
    """The convolutions that are computed from here on: whether each takes along (norm, addition, ReLU)."""
    seen, at_once = [], folding._at_once

    def count(problem, waiting, image, added, relu):
        seen.append((waiting.norm is not None, added is not None, relu))
        return at_once(problem, waiting, image, added, relu)

    monkeypatch.setattr(folding, "_at_once", count)
    return seen


def test_a_residual_block_is_one_pass_a_convolution(monkeypatch):
    network = with_statistics(build_network("resnet18"))
    apply_engine(network, "onednn", "float32")
    seen = counted(monkeypatch)
    with paddle.no_grad():
        network(paddle.randn([1, 3, 32, 32]))
    expected = [(True, False, True)] * 9 + [(True, False, False)] * 3 + [(True, True, True)] * 8
    assert sorted(seen) == sorted(expected)


def test_nothing_is_folded_while_gradients_are_kept_or_statistics_follow(monkeypatch):
    network = with_statistics(build_network("wrn_10_1"))
    apply_engine(network, "onednn", "float32")
    seen = counted(monkeypatch)
    network(paddle.randn([2, 3, 32, 32]))
    assert seen == []
    network.train()
    with paddle.no_grad():
        before = network.state_dict()
        statistics = {name: value.numpy().copy() for name, value in before.items() if "_mean" in name}
        network(paddle.randn([2, 3, 32, 32]))
        assert all((value != network.state_dict()[name].numpy()).any() for name, value in statistics.items())
    assert not any(norm for norm, _, _ in seen)


def test_weights_are_kept_only_when_asked_and_forgotten_in_training():
    network = with_statistics(build_network("wrn_10_1"))
    apply_engine(network, "onednn", "float32")
    image, first = paddle.randn([2, 3, 32, 32]), network.sublayers()[0]
    with paddle.no_grad():
        fresh = network(image).numpy()
        first.weight.scale_(2.0)
        doubled = network(image).numpy()
        assert (fresh != doubled).any(), "new weights count at once"
        folding.keep(network)
        for _ in range(2):
            assert (network(image).numpy() == doubled).all(), "the bits are those of fresh weights"
        for count in (1, 3, 5, 6):
            network(paddle.randn([count, 3, 32, 32]))
        kept = first.__dict__["_kept"]
        assert len(kept) == 2, "with the norm folded in and, for the shortcut, without; for any batch"
        first.weight.scale_(0.5)
        assert (network(image).numpy() == doubled).all(), "kept"
        network.train()
        network(image)
        network.eval()
        again = network(image).numpy()
    assert (again != doubled).any() and "_kept" not in first.__dict__


def test_the_faster_way_is_taken(monkeypatch):
    """Both ways are tried, and both are right."""
    results = []

    def try_all(what, problem, ways, *given):
        tried = {name: way(problem, *given) for name, way in ways.items()}
        results.append([each.numpy() for each in tried.values()])
        return tried["apart"]

    monkeypatch.setattr(folding, "fastest", try_all)
    network = with_statistics(Block(True, {}))
    for expected, found in zip(*both(network, paddle.randn([3, 3, 9, 7])), strict=True):
        np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=1e-5, rtol=1e-5)
    assert len(results) >= 5
    for one, other in results:
        np.testing.assert_allclose(one, other, atol=1e-5, rtol=1e-5)


def test_what_begins_without_gradients_ends_without_them():
    """A frozen part beside one that learns: their sum is made where gradients are wanted."""
    paddle.seed(0)
    network = Beside()
    network.eval()
    apply_engine(network, "onednn", "float32")
    network(paddle.randn([2, 8, 6, 6])).sum().backward()
    assert network.frozen.weight.grad is None
    assert network.learning.weight.grad is not None and float(network.learning.weight.grad.abs().sum()) > 0


def test_a_norm_put_off_without_gradients_is_made_without_them():
    """The pool before it leaves nothing to fold into: it is computed when the head reads it."""
    paddle.seed(0)
    backbone, head = nn.Sequential(nn.MaxPool2D(2), nn.BatchNorm2D(8)), nn.Conv2D(8, 4, 3)

    class Headed(nn.Layer):
        def __init__(self):
            super().__init__()
            self.backbone, self.head = backbone, head

        def forward(self, image):
            with paddle.no_grad():
                features = self.backbone(image)
            return self.head(features)

    network = Headed()
    apply_engine(network, "onednn", "float32")
    network(paddle.randn([2, 8, 8, 8])).sum().backward()
    assert network._engine.working and backbone[1].weight.grad is None
    assert float(head.weight.grad.abs().sum()) > 0


class Beside(nn.Layer):
    """relu(frozen(x) + learning(x)), the first of them without gradients."""

    def __init__(self):
        super().__init__()
        self.frozen, self.learning = nn.Conv2D(8, 8, 3, padding=1), nn.Conv2D(8, 8, 3, padding=1)

    def forward(self, image):
        with paddle.no_grad():
            frozen = self.frozen(image)
        return functional.relu(frozen + self.learning(image))
