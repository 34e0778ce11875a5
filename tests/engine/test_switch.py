"""Choosing the engine: what it leaves alone, what it survives, and what it says."""

import copy
import gc
import importlib.util
import logging
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import paddle
import psutil
import pytest
from paddle import nn
from paddle.vision.models import resnet18

from paddle_cifar.engine import apply_engine, check, codegen, cpu, dnnl, remove_engine, switch


def small():
    return nn.Sequential(
        nn.Conv2D(3, 8, 3),
        nn.BatchNorm2D(8),
        nn.ReLU(),
        nn.AdaptiveAvgPool2D(1),
        nn.Flatten(),
        nn.Linear(8, 4),
    )


@pytest.fixture
def image():
    return paddle.randn([4, 3, 10, 10])


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64" or not cpu.has_avx2(),
    reason="Paddle's kernels run",
)
def test_the_engine_is_there_where_it_is_promised():
    """The other tests are skipped without the library, so that they cannot tell."""
    report = apply_engine(small(), "auto", "float32")
    assert report.engine == "onednn", report


@pytest.mark.skipif(importlib.util.find_spec("llvmlite") is None, reason="llvmlite is not installed")
def test_the_kernels_are_there_where_they_are_promised(needs_library):
    """Nor can the tests of these, which are skipped without them."""
    assert codegen.hindrance(dnnl.FLOAT32) is None
    assert "avx512_bf16" not in cpu.features() or codegen.hindrance(dnnl.BF16) is None


def test_package_imports_without_paddle():
    code = "import sys, paddle_cifar.engine.cpu as cpu; cpu.has_bf16(); assert 'paddle' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_says_what_was_chosen(needs_library):
    assert str(apply_engine(small(), "auto", "float32")).startswith("engine onednn, float32: oneDNN 3.")
    assert str(apply_engine(small(), "paddle")) == "engine paddle, float32: as asked"
    with pytest.raises(ValueError, match="engine must be"):
        apply_engine(small(), "cudnn")


@pytest.mark.parametrize("platform, machine", [("win32", "AMD64"), ("darwin", "arm64"), ("linux", "aarch64")])
def test_steps_aside_on_other_platforms(monkeypatch, platform, machine):
    dnnl.library.cache_clear()
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setattr("platform.machine", lambda: machine)
    report = apply_engine(small())
    assert report.engine == "paddle"
    assert machine in report.reason
    dnnl.library.cache_clear()


def test_steps_aside_from_an_unknown_version(monkeypatch, needs_library):
    dnnl.library.cache_clear()
    monkeypatch.setattr(dnnl, "KNOWN_VERSIONS", {(9, 9)})
    assert "not one this project knows" in apply_engine(small()).reason
    dnnl.library.cache_clear()


def test_steps_aside_when_the_self_check_fails(monkeypatch, needs_library):
    check.failure.cache_clear()
    monkeypatch.setattr(check, "disagreement", lambda precision: float("nan"))
    assert "disagrees" in apply_engine(small()).reason
    check.failure.cache_clear()


def test_self_check_leaves_the_random_state_alone(needs_library):
    paddle.seed(11)
    expected = paddle.randn([3]).numpy()
    paddle.seed(11)
    check.disagreement("float32")
    assert (paddle.randn([3]).numpy() == expected).all()


def test_self_check_works_without_gradients(needs_library):
    check.failure.cache_clear()
    with paddle.no_grad():
        assert apply_engine(small(), "onednn", "float32").engine == "onednn"


def test_the_network_stays_what_it_was(image, needs_library):
    network = small()
    names, forward = list(network.state_dict()), network.forward
    apply_engine(network, "onednn", "float32")
    network(image)
    assert list(network.state_dict()) == names
    assert type(network) is nn.Sequential
    assert network.forward == forward
    twin = copy.deepcopy(network)
    assert twin._engine is not network._engine
    np.testing.assert_allclose(twin(image).numpy(), network(image).numpy(), rtol=1e-5)
    remove_engine(network)
    assert "_engine" not in network.__dict__


def test_hooks_see_real_tensors(image, needs_library):
    network, seen = small(), []
    apply_engine(network, "onednn", "float32")

    def record(layer, inputs, output):
        assert all(type(value) is paddle.Tensor for value in (*inputs, output))
        seen.append(type(layer).__name__)

    for layer in (network, network[0], network[2]):
        layer.register_forward_post_hook(record)
    network(image)
    assert seen == ["Conv2D", "ReLU", "Sequential"]
    assert network._engine.working


def test_exports_like_any_network(image, tmp_path, needs_library):
    network = small()
    network.eval()
    expected = network(image).numpy()
    apply_engine(network, "onednn", "float32")
    paddle.jit.save(network, str(tmp_path / "net"), [paddle.static.InputSpec([None, 3, 10, 10], "float32")])
    np.testing.assert_allclose(
        paddle.jit.load(str(tmp_path / "net"))(image).numpy(), expected, rtol=1e-4, atol=1e-5
    )
    assert network._engine.working


class Convolved(nn.Layer):
    """A function of what its convolution gave."""

    def __init__(self, function):
        super().__init__()
        self.conv, self.function = nn.Conv2D(3, 4, 3), function

    def forward(self, x):
        return self.function(self.conv(x))


def test_code_it_cannot_follow_runs_on_paddle(image, caplog, needs_library):
    network = Convolved(lambda x: paddle._C_ops.relu(x))
    expected = network(image).numpy()
    apply_engine(network, "onednn", "float32")
    with caplog.at_level(logging.WARNING, switch.log.name):
        assert (network(image).numpy() == expected).all()
    assert not network._engine.working and "engine paddle from here" in caplog.text


class InPlace(nn.Layer):
    """Changes what its convolution gave, and goes on with that."""

    def __init__(self, change):
        super().__init__()
        self.first, self.second, self.change = nn.Conv2D(3, 4, 3), nn.Conv2D(4, 4, 3), change

    def forward(self, x):
        x = self.first(x)
        self.change(x)
        return self.second(x)


@pytest.mark.parametrize(
    ("change", "fast"),
    [
        (lambda x: paddle.nn.functional.relu_(x), True),
        (lambda x: x.scale_(0.5), False),
        (lambda x: paddle.tanh_(x), False),
    ],
    ids=["relu_", "scale_", "tanh_"],
)
def test_changes_in_place_are_seen(image, needs_library, change, fast):
    network = InPlace(change)
    network.eval()
    with paddle.no_grad():
        expected = network(image).numpy()
        apply_engine(network, "onednn", "float32")
        assert np.allclose(network(image).numpy(), expected, atol=1e-5)
    assert network._engine.working is fast


@pytest.mark.parametrize(
    "function",
    [lambda x: paddle.add(x, x, alpha=2), lambda x: paddle.nn.functional.gelu(x, "none")],
    ids=["add", "gelu"],
)
def test_options_it_does_not_know_are_left_to_paddle(image, needs_library, function):
    network = Convolved(function)
    try:
        expected = network(image).numpy()
    except (TypeError, ValueError):
        pytest.skip("this Paddle does not know the option")
    apply_engine(network, "onednn", "float32")
    assert np.allclose(network(image).numpy(), expected, atol=1e-5)


class ShiftOnly(nn.BatchNorm2D):
    """Derived from a layer of Paddle's, with its forward."""

    def __init__(self, channels):
        super().__init__(channels, weight_attr=False)


class Doubling(nn.Conv2D):
    """Derived from a layer of Paddle's, with a forward of its own that calls Paddle's."""

    def forward(self, image):
        return super().forward(image) * 2


def test_layers_derived_from_those_of_paddle(image, needs_library):
    network = nn.Sequential(nn.Conv2D(3, 8, 3), ShiftOnly(8), Doubling(8, 8, 1), nn.BatchNorm2D(8))
    expected = network(image)
    apply_engine(network, "onednn", "float32")
    found = network(image)
    assert network._engine.working
    assert np.allclose(found.numpy(), expected.numpy(), atol=1e-4)


def test_a_mistake_of_the_caller_is_still_raised(image, needs_library):
    network = small()
    apply_engine(network, "onednn", "float32")
    with pytest.raises(ValueError, match=r"(?s)."):
        network(paddle.randn([4, 5, 10, 10]))
    network(image)
    assert network._engine.working


def test_hapi_trains_evaluates_and_predicts(needs_library):
    model = paddle.Model(resnet18(num_classes=10))
    model.prepare(
        paddle.optimizer.Adam(parameters=model.parameters()), nn.CrossEntropyLoss(), paddle.metric.Accuracy()
    )
    apply_engine(model.network, "onednn", "bf16")
    image = np.random.default_rng(0).standard_normal((6, 3, 32, 32)).astype("float32")
    label = np.arange(6).reshape(6, 1)
    losses = [model.train_batch([image], [label])[0][0] for _ in range(8)]
    assert losses[-1] < losses[0]
    model.eval_batch([image[:5]], [label[:5]])
    assert model.predict_batch([image[:3]])[0].shape == (3, 10)
    assert model.network._engine.working


def test_memory_does_not_grow(needs_library):
    network = small()
    apply_engine(network, "onednn", "float32")

    def steps(count):
        for _ in range(count):
            network(paddle.randn([32, 3, 32, 32])).sum().backward()
            network.clear_gradients()
        gc.collect()
        return psutil.Process().memory_info().rss

    steps(20)
    before = steps(20)
    assert steps(200) - before < 8e6


def test_bf16_gives_way_to_float32(monkeypatch, needs_library):
    failure = check.failure
    monkeypatch.setattr(
        check, "failure", lambda precision: "bf16 is odd" if precision == "bf16" else failure(precision)
    )
    monkeypatch.setattr(cpu, "has_bf16", lambda: True)
    report = apply_engine(small())
    assert (report.engine, report.precision) == ("onednn", "float32")
    assert "bf16 is odd" in report.reason
    monkeypatch.setattr(cpu, "has_bf16", lambda: False)
    assert "without bf16" in apply_engine(small(), "auto", "bf16").reason


def test_identity_before_relu(needs_library):
    network = nn.Sequential(nn.Identity(), nn.ReLU(), nn.Conv2D(3, 4, 1), nn.Identity(), nn.ReLU())
    image = paddle.randn([2, 3, 5, 5])
    expected = network(image).numpy()
    apply_engine(network, "onednn", "float32")
    np.testing.assert_allclose(network(image).numpy(), expected, rtol=1e-4, atol=1e-5)


def test_a_float64_network_runs_on_paddle(needs_library):
    network = small()
    network.to(dtype="float64")
    apply_engine(network, "onednn", "float32")
    image = paddle.randn([2, 3, 8, 8]).astype("float64")
    ours = network(image).numpy()
    remove_engine(network)
    assert (network(image).numpy() == ours).all()
