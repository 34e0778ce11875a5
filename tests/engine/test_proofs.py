"""Slow proofs on whole networks and long runs: `python -m pytest -m slow tests/engine`, some ten minutes."""

import gc
import os

import numpy as np
import paddle
import psutil
import pytest
from paddle import nn
from paddle.nn import functional as F
from paddle.vision import models

from paddle_cifar.data.load import load_archive
from paddle_cifar.data.loader import BatchLoader
from paddle_cifar.engine import apply_engine, winograd
from paddle_cifar.models import build_network
from tests.engine.conftest import difference, train_step

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("needs_library")]


def smooth(network):
    """The network with SiLU for ReLU: no value near zero can fall on the other side of a kink."""
    for layer in network.sublayers(include_self=True):
        for name, child in layer.named_children():
            if isinstance(child, nn.ReLU):
                setattr(layer, name, nn.Silu())
    return network


@pytest.mark.parametrize("shape", [(8, 3, 32, 32), (2, 3, 32, 32), (3, 3, 27, 21)])
@pytest.mark.parametrize("name", ["resnet18", "resnet50", "airbench_64_256_256"])
def test_gradients_of_a_whole_network_agree_with_paddle(name, shape):
    """Batch 1 is left out: batch norm on a 1x1 map of one image has no variance to divide by."""
    network = smooth(build_network(name))
    image = paddle.randn(shape)
    theirs = train_step(network, image, "paddle")
    assert difference(train_step(network, image, "onednn"), theirs) < 1e-4


def test_gradients_with_relu_agree_with_paddle():
    """A value within rounding of zero may fall on the other side of a ReLU, but not for every input."""
    network = build_network("resnet18")
    differences = []
    for _ in range(6):
        image = paddle.randn([4, 3, 32, 32])
        theirs = train_step(network, image, "paddle")
        differences.append(difference(train_step(network, image, "onednn"), theirs))
    assert min(differences) < 1e-4


def test_plain_convolutions_in_bf16_are_as_close_to_float64_as_those_of_pytorch(monkeypatch, forgotten):
    """Winograd's round three to six times as far, and are measured in test_winograd.py."""
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(winograd, "applies", lambda problem: False)
    plan = [(3, 32, 1), (32, 64, 2), (64, 64, 1), (64, 128, 2)]
    ours, theirs = [], []
    for inside, outside, stride in plan:
        ours += [
            nn.Conv2D(inside, outside, 3, stride, 1, bias_attr=False),
            nn.BatchNorm2D(outside),
            nn.ReLU(),
        ]
        theirs += [
            torch.nn.Conv2d(inside, outside, 3, stride, 1, bias=False),
            torch.nn.BatchNorm2d(outside),
            torch.nn.ReLU(),
        ]
    network = nn.Sequential(*ours)
    errors = {"engine": [], "pytorch": []}
    for seed in range(5):
        image = np.random.default_rng(seed).standard_normal((16, 3, 32, 32)).astype("float32")
        reference = torch.nn.Sequential(*theirs)
        for layer, twin in zip(ours, reference, strict=True):
            if isinstance(layer, nn.Conv2D):
                twin.weight.data = torch.tensor(layer.weight.numpy())
        cotangent = np.random.default_rng(7).standard_normal((16, 128, 8, 8)).astype("float32")

        def pytorch_step(network, image, cotangent, autocast):
            network.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
                output = network(image)
            output.backward(cotangent.to(output.dtype))
            return [p.grad.double().numpy() for p in network.parameters()]

        reference.double()
        exact = pytorch_step(reference, torch.tensor(image).double(), torch.tensor(cotangent).double(), False)
        reference.float()
        last = torch.channels_last
        reference.to(memory_format=last)
        found = {
            "pytorch": pytorch_step(
                reference, torch.tensor(image).to(memory_format=last), torch.tensor(cotangent), True
            )
        }
        assert apply_engine(network, "onednn", "bf16").precision == "bf16"
        (network(paddle.to_tensor(image)) * paddle.to_tensor(cotangent)).sum().backward()
        found["engine"] = [p.grad.numpy() for p in network.parameters() if not p.stop_gradient]
        network.clear_gradients()
        for who, gradients in found.items():
            errors[who].append(
                max(np.linalg.norm(g - e) / np.linalg.norm(e) for g, e in zip(gradients, exact, strict=True))
            )
    medians = {who: np.median(values) for who, values in errors.items()}
    print(f"relative error of bf16 gradients against float64: {medians}")
    assert medians["engine"] < 1.1 * medians["pytorch"]


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_300_steps_of_training_follow_paddle(precision):
    """Rounding grows tenfold with every step at first, so means of 30 losses are compared.

    On the real images only: the stand-in has too few for 300 steps.
    """
    if not (path := os.environ.get("REAL_CIFAR100_FILE")):
        pytest.skip("needs the real archive, named in CIFAR100_FILE")
    data = load_archive("cifar100", path).train
    images, labels = data.images[: 300 * 32], data.fine_labels[: 300 * 32]
    loader = BatchLoader(images, labels, 32, shuffle=True)
    curves = {}
    for engine in ("paddle", "onednn"):
        paddle.seed(0)
        network = models.resnet18(num_classes=100)
        wanted = precision if engine == "onednn" else "float32"
        assert apply_engine(network, engine, wanted).engine == engine
        optimizer = paddle.optimizer.Momentum(0.005, parameters=network.parameters(), weight_decay=5e-4)
        loader.set_epoch(0)
        losses = []
        for image, label in loader:
            loss = F.cross_entropy(network(paddle.to_tensor(image)), paddle.to_tensor(label))
            loss.backward()
            optimizer.step()
            optimizer.clear_grad()
            losses.append(float(loss))
        curves[engine] = np.array(losses)
    np.testing.assert_allclose(
        curves["onednn"][0], curves["paddle"][0], rtol=1e-5 if precision == "float32" else 0.02
    )
    means = {engine: curve.reshape(10, 30).mean(axis=1) for engine, curve in curves.items()}
    print(means)
    assert means["paddle"][-1] < 0.85 * means["paddle"][0]  # something was learnt
    np.testing.assert_allclose(means["onednn"], means["paddle"], rtol=0.03)


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_memory_does_not_grow_over_1000_steps(precision):
    network = build_network("wrn_10_1")
    apply_engine(network, "onednn", precision)
    optimizer = paddle.optimizer.Momentum(0.01, parameters=network.parameters())
    label = paddle.randint(0, 100, [16])

    def steps(count):
        for _ in range(count):
            F.cross_entropy(network(paddle.randn([16, 3, 32, 32])), label).backward()
            optimizer.step()
            optimizer.clear_grad()
        gc.collect()
        return psutil.Process().memory_info().rss

    before = steps(50)
    assert steps(1000) - before < 8e6
