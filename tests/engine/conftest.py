"""Every test here compares the engine with Paddle's own kernels on fresh random numbers."""

import numpy as np
import paddle
import pytest

from paddle_cifar.engine import (
    apply_engine,
    check,
    codegen,
    convolution,
    dnnl,
    fastest,
    remove_engine,
    winograd,
)


def pytest_collection_modifyitems(items):
    lacking = {}
    try:
        dnnl.library()
        lacking["needs_kernels"] = codegen.hindrance(dnnl.FLOAT32)
    except dnnl.DnnlError as error:
        lacking = dict.fromkeys(("needs_library", "needs_kernels"), str(error))
    for item in items:
        for fixture, reason in lacking.items():
            if reason and "tests/engine" in str(item.path) and fixture in item.fixturenames:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def needs_library():
    """Ask for it where oneDNN itself is tested."""


@pytest.fixture
def needs_kernels(needs_library):
    """Ask for it where code made by LLVM is tested, as in Winograd's convolutions."""


@pytest.fixture
def forgotten(monkeypatch):
    """What was found out about LLVM and the engine, before and after."""
    known = (codegen.hindrance, codegen._compiler, winograd.applies, convolution.ways, check.failure)
    for name in ("_chosen", "_recorded"):
        monkeypatch.setattr(fastest, name, {})
    for each in known:
        each.cache_clear()
    yield
    for each in known:
        each.cache_clear()


def train_step(network, image, engine, precision="float32"):
    """Output, gradient of the image, gradients of the parameters, running statistics; the network is left
    as it was.
    """
    before = {name: value.clone() for name, value in network.state_dict().items()}
    if engine == "onednn":
        report = apply_engine(network, "onednn", precision)
        assert report.engine == "onednn", report
    image = image.detach()
    image.stop_gradient = False
    output = network(image)
    rng = np.random.default_rng(7)
    (output * paddle.to_tensor(rng.standard_normal(output.shape), dtype=output.dtype)).sum().backward()
    if engine == "onednn":
        assert network._engine.working, "the engine turned itself off"
    remove_engine(network)
    results = {"output": output.detach().numpy(), "image": image.grad.numpy()}
    for name, parameter in network.named_parameters():
        value = parameter if parameter.stop_gradient else parameter.grad
        results[name] = None if value is None else value.numpy().copy()
    for parameter in network.parameters():
        parameter.clear_gradient(False)
    network.set_state_dict(before)
    return results


def difference(ours, theirs):
    """The largest relative difference over everything a step gives; a gradient that is nothing but
    rounding counts against the largest one.
    """
    assert ours.keys() == theirs.keys()
    scale = max(np.linalg.norm(value) for name, value in theirs.items() if value is not None)
    worst = 0.0
    for name, expected in theirs.items():
        if expected is None:
            assert ours[name] is None
            continue
        assert ours[name].shape == expected.shape
        assert np.isfinite(ours[name]).all(), name
        error = np.linalg.norm(ours[name].astype("float64") - expected)
        worst = max(worst, error / max(np.linalg.norm(expected), 1e-4 * scale))
    return worst
