"""The contestants of this project: a training step on Paddle's kernels or on the oneDNN engine.

A step is forward, backward and SGD with momentum on random images.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from paddle_cifar.bench.contest import Contestant, Runner, Workload, serve

# A step's floating-point operations for each multiply-accumulate of a forward pass: the pass itself and two
# products of the same size backward, a multiplication and an addition each.
OPERATIONS_PER_MAC = 6

WORKLOADS = {
    "resnet18": Workload("resnet18", "cifar", 128),
    "resnet50": Workload("resnet50", "cifar", 128),
    "resnet18_imagenet_stem": Workload("resnet18", "imagenet", 256),
    "wrn_16_4": Workload("wrn_16_4", "cifar", 128),
}
PROGRAM = ("-m", "paddle_cifar.bench.training")
CONTESTANTS = {
    "paddle as installed": Contestant(PROGRAM, "paddle", "float32", as_installed=True),
    "paddle, all cores": Contestant(PROGRAM, "paddle", "float32"),
    "engine float32": Contestant(PROGRAM, "onednn", "float32"),
    "engine bf16": Contestant(PROGRAM, "onednn", "bf16"),
}


def paddle_step(workload: Workload, engine: str, precision: str) -> Runner:
    """One training step on Paddle, for :func:`serve`."""
    if "OMP_NUM_THREADS" in os.environ:
        from paddle_cifar.environment import import_paddle

        import_paddle()
    import paddle

    from paddle_cifar.engine import apply_engine, codegen, primitive
    from paddle_cifar.models import build_network
    from paddle_cifar.models.summary import summarize

    paddle.set_device("cpu")
    network = build_network(workload.model, workload.stem)
    macs = summarize(network).macs
    report = apply_engine(network, engine, precision)
    if (report.engine, report.precision) != (engine, precision):
        raise SystemExit(str(report))
    optimizer = paddle.optimizer.Momentum(0.01, parameters=network.parameters())
    image = paddle.randn([workload.batch_size, 3, 32, 32])
    label = paddle.randint(0, 100, [workload.batch_size])
    inside = [0.0]

    def timed(run: Callable[..., None]) -> Callable[..., None]:
        def timed_run(*arguments: Any) -> None:
            started = time.perf_counter()
            run(*arguments)
            inside[0] += time.perf_counter() - started

        return timed_run

    for kind in (primitive.Primitive, codegen.Kernel):
        kind.run = timed(kind.run)  # type: ignore[attr-defined]

    def step() -> None:
        paddle.nn.functional.cross_entropy(network(image), label).backward()
        optimizer.step()
        optimizer.clear_grad()

    def spent() -> float:
        seconds, inside[0] = inside[0], 0.0
        return seconds

    bound = 0.0
    if engine == "onednn":
        bound = macs * workload.batch_size * OPERATIONS_PER_MAC / matmul_speed(precision)
    return Runner(step, spent, bound)


def matmul_speed(precision: str, side: int = 2048, repeats: int = 5) -> float:
    """Floating-point operations a second of oneDNN's square matrix product, the best of ``repeats``."""
    import paddle

    from paddle_cifar.engine import dnnl
    from paddle_cifar.engine.primitive import Primitive
    from paddle_cifar.engine.tensors import BYTES

    element = dnnl.BF16 if precision == "bf16" else dnnl.FLOAT32
    square = dnnl.descriptor((side, side), element)
    product = Primitive("matmul", square, square, None, square)
    tensors = [paddle.zeros([side * side * BYTES[element]], dtype="uint8") for _ in range(3)]
    kinds = (dnnl.SRC, dnnl.WEIGHTS, dnnl.DST)
    pointers = {kind: tensor.data_ptr() for kind, tensor in zip(kinds, tensors, strict=True)}
    best = float("inf")
    for _ in range(repeats):
        started = time.perf_counter()
        product.run(pointers)
        best = min(best, time.perf_counter() - started)
    return 2 * side**3 / best


if __name__ == "__main__":
    serve(paddle_step)
