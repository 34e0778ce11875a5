"""Kernels compiled by LLVM: their arithmetic, their threads, and what happens without it."""

import os
import subprocess
import sys

import numpy as np
import paddle
import pytest
from paddle import nn

from paddle_cifar.engine import apply_engine, codegen, cpu, dnnl, winograd
from paddle_cifar.engine.problem import Geometry, Problem, rounded
from paddle_cifar.engine.tensors import to_channels_first, to_channels_last
from tests.conftest import ROOT

ELEMENTS = [
    dnnl.FLOAT32,
    pytest.param(
        dnnl.BF16, marks=pytest.mark.skipif("avx512_bf16" not in cpu.features(), reason="no AVX512-BF16")
    ),
]
needs_kernels = pytest.mark.usefixtures("needs_kernels")


def bits_of_bf16(values):
    """Rounded to the nearest, to even where two are as near."""
    bits = values.astype(np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def kernel(element, compute):
    """For each task, what `compute` makes of two vectors at its place, in place of the second."""
    code = codegen.Code()
    tasks, source, result = code.arguments(3)
    source, result = code.pointer(source), code.pointer(result)
    with code.tasks(tasks) as task:
        at = code.multiply(task, codegen.LANES)
        vectors = [code.load(each, at, element) for each in (source, result)]
        code.store(compute(code, *vectors), result, at, element)
    return codegen.Kernel(code)


@needs_kernels
@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("tasks", [1, 2, 3, 1000])
def test_every_task_is_done_once_and_rounded_to_the_nearest(element, tasks):
    """A task done twice would add its numbers twice."""
    values = np.random.default_rng(tasks).standard_normal((2, tasks * codegen.LANES)).astype(np.float32)
    if element == dnnl.BF16:
        source, result = bits_of_bf16(values)
        values = (np.stack([source, result]).astype(np.uint32) << 16).view(np.float32)
    else:
        source, result = values.copy()
    # A factor of one bit: whether product and sum are rounded together makes no difference.
    expected = values[0] * np.float32(0.5) + values[1]
    run = kernel(element, lambda code, one, other: code.weighted([0.5, 0.0, 1.0], [one, one, other])).run
    run(tasks, source.ctypes.data, result.ctypes.data)
    np.testing.assert_array_equal(result, bits_of_bf16(expected) if element == dnnl.BF16 else expected)


@needs_kernels
def test_kernels_run_on_the_threads_of_onednn():
    """A pool of their own would fight with oneDNN's for the cores: three threads on two of them."""
    program = """
import os
from paddle_cifar.environment import import_paddle
import_paddle()
from paddle_cifar.bench.training import matmul_speed
from paddle_cifar.engine import codegen, dnnl
matmul_speed("float32", side=512)
before = len(os.listdir("/proc/self/task"))
assert codegen.hindrance(dnnl.FLOAT32) is None  # it has run a kernel
print(len(os.listdir("/proc/self/task")) - before)
"""
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[-1] == "0", done.stdout


@needs_kernels
def test_relu_keeps_what_is_not_a_number():
    source = np.array([-np.inf, -1, -0.0, 0, 1, np.inf, np.nan, 3] * 2, np.float32)
    result = np.zeros_like(source)
    kernel(dnnl.FLOAT32, lambda code, one, _: code.relu(one)).run(1, source.ctypes.data, result.ctypes.data)
    np.testing.assert_array_equal(result, [0, 0, 0, 0, 1, np.inf, np.nan, 3] * 2)


@needs_kernels
def test_loops_go_from_zero_to_below_their_end_in_steps():
    """Each pass adds one to the vector at its number: of 5 x 3 passes, three at each of five places."""
    code = codegen.Code()
    tasks, result = code.arguments(2)
    result, one = code.pointer(result), code.room(codegen.LANES)
    with code.tasks(tasks):
        code.store(f"<{', '.join(['float 1.0'] * codegen.LANES)}>", one, 0, dnnl.FLOAT32)
        with code.loop(5 * codegen.LANES, step=codegen.LANES) as at, code.loop(7, step=3):
            added = code.plus(code.load(result, at, dnnl.FLOAT32), code.load(one, 0, dnnl.FLOAT32))
            code.store(added, result, at, dnnl.FLOAT32)
    counts = np.zeros((6, codegen.LANES), np.float32)
    codegen.Kernel(code).run(1, counts.ctypes.data)
    np.testing.assert_array_equal(counts, np.repeat([3, 3, 3, 3, 3, 0], codegen.LANES).reshape(6, -1))


@needs_kernels
@pytest.mark.parametrize("element", ELEMENTS)
def test_what_is_not_a_number_is_not_lost_in_winograds_sums(element):
    problem = Problem((8, 32, 8, 8), (32, 32, 3, 3), Geometry(padding=(1, 1, 1, 1)), element, False)
    image = paddle.zeros([8, 32, 8, 8])
    image[2, 5, 3, 3] = float("nan")
    weight = rounded(problem, paddle.randn([32, 32, 3, 3]))
    result = to_channels_first(winograd.convolve(problem, to_channels_last(image, element), weight, None))
    assert np.isnan(result[2, :, 2:5, 2:5].numpy()).all()
    assert np.isfinite(np.delete(result.numpy(), 2, axis=0)).all()


def no_compiler(*_):
    raise RuntimeError("no code can be made")


@pytest.mark.parametrize("lack", ["llvmlite", "a working llvmlite"])
def test_without_llvmlite_the_engine_works_and_says_so(monkeypatch, forgotten, needs_library, lack):
    if lack == "llvmlite":
        monkeypatch.setitem(sys.modules, "llvmlite", None)
        reason = "pip install llvmlite"
    else:
        binding = pytest.importorskip("llvmlite.binding")
        monkeypatch.setattr(binding, "create_mcjit_compiler", no_compiler)
        reason = "no code can be made"
    network = nn.Conv2D(32, 32, 3, padding=1)
    report = apply_engine(network, "onednn", "float32")
    assert report.engine == "onednn" and reason in str(report)
    problem = Problem((8, 32, 8, 8), (32, 32, 3, 3), Geometry(padding=(1, 1, 1, 1)), dnnl.FLOAT32, False)
    assert not winograd.applies(problem)
    assert network(paddle.randn([8, 32, 8, 8])).shape == [8, 32, 8, 8] and network._engine.working


@needs_kernels
def test_code_that_llvm_refuses_is_an_error_of_the_engine():
    code = codegen.Code()
    code.value("add i64 %nothing, 1")
    with pytest.raises(dnnl.DnnlError, match="LLVM refuses"):
        codegen.Kernel(code)


def test_an_llvm_that_is_too_old_is_named(monkeypatch, forgotten, needs_library):
    binding = pytest.importorskip("llvmlite.binding")
    monkeypatch.setattr(binding, "llvm_version_info", (15, 0, 7))
    assert "LLVM 15, too old" in codegen.hindrance(dnnl.FLOAT32)


@needs_kernels
def test_a_processor_without_bf16_vectors_is_named(monkeypatch, forgotten):
    from llvmlite import binding

    features = binding.get_host_cpu_features()
    features.pop("avx512bf16", None)
    monkeypatch.setattr(binding, "get_host_cpu_features", lambda: features)
    assert "AVX512-BF16" in codegen.hindrance(dnnl.BF16)
    assert codegen.hindrance(dnnl.FLOAT32) is None
