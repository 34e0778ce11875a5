"""Serving speed on this CPU: Paddle eager, the engine, paddle.inference and onnxruntime, taking turns.

    pip install -r requirements-dev.txt            # paddle2onnx, onnxruntime; without them no such row
    python benchmarks/inference.py                 # resnet18, about 3 minutes
    python benchmarks/inference.py --models wrn_16_4 resnet50 --rounds 3

Every contestant is given the same uint8 images and normalises them itself. All live in one process
with as many threads as there are cores; the median of the rounds counts. Before its time is taken
each one's logits are compared with eager Paddle's.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from paddle_cifar.cores import available_cores
from paddle_cifar.environment import import_paddle

paddle = import_paddle()

import numpy as np  # noqa: E402

from paddle_cifar.bench import machine  # noqa: E402
from paddle_cifar.bench.contest import SETTLE_SECONDS  # noqa: E402
from paddle_cifar.errors import RunError  # noqa: E402
from paddle_cifar.export.serving import RUNNERS, WRITERS, Predict  # noqa: E402
from paddle_cifar.models import build_network  # noqa: E402
from paddle_cifar.precision import choose_arithmetic  # noqa: E402
from paddle_cifar.prediction.classifier import Classifier  # noqa: E402
from paddle_cifar.trained import Trained  # noqa: E402

LATENCY_BATCH, THROUGHPUT_BATCH = 1, 256
SECONDS_A_TURN = 1.0
# Largest difference from eager Paddle, as a share of its largest logit; bf16 keeps 8 bits of a number.
TOLERANCE = {"engine bf16": 0.1}


def random_network(model: str) -> paddle.nn.Layer:
    """The same random weights for every contestant."""
    paddle.seed(0)
    network = build_network(model)
    network.eval()
    return network


def eager_or_engine(model: str, engine: str, precision: str) -> Predict | None:
    """A classifier on Paddle's kernels or on the engine; None where this machine lacks the latter."""
    network = random_network(model)
    try:
        chosen = choose_arithmetic(network, "cpu", engine, precision)
    except RunError:
        return None
    if chosen[:2] != (engine, precision):
        return None
    return Classifier(Trained(network, "last", 0, *chosen), THROUGHPUT_BATCH).logits


def contestants(model: str, folder: Path) -> dict[str, Predict]:
    """What can run on this machine, by name; eager Paddle comes first."""
    found = {
        "eager": eager_or_engine(model, "paddle", "float32"),
        "engine float32": eager_or_engine(model, "onednn", "float32"),
        "engine bf16": eager_or_engine(model, "onednn", "bf16"),
    }
    network = random_network(model)
    for name, format in (("paddle.inference", "paddle"), ("onnxruntime", "onnx")):
        try:
            WRITERS[format](network, folder)
            found[name] = RUNNERS[format](folder, available_cores())
        except RunError as error:
            print(f"without {name}: {error}", file=sys.stderr)
    return {name: predict for name, predict in found.items() if predict is not None}


def all_cores() -> None:
    """After each call paddle.inference leaves Paddle, and so the engine, with one thread."""
    paddle.base.core.set_num_threads(available_cores())


def check(rivals: dict[str, Predict], images: np.ndarray) -> None:
    """Stop unless all give eager Paddle's logits."""
    expected = rivals["eager"](images)
    for name, predict in rivals.items():
        all_cores()
        difference = np.abs(predict(images) - expected).max() / np.abs(expected).max()
        assert difference < TOLERANCE.get(name, 1e-4), f"{name} is off by {difference:.1e}"


def seconds_a_call(predict: Predict, images: np.ndarray) -> float:
    """Median over the calls of one turn."""
    all_cores()
    predict(images)
    times = []
    while sum(times) < SECONDS_A_TURN:
        began = time.perf_counter()
        predict(images)
        times.append(time.perf_counter() - began)
    return median(times)


def measure(rivals: dict[str, Predict], images: np.ndarray, rounds: int) -> dict[str, float]:
    """Median seconds of a call of each rival, in turns."""
    times: dict[str, list[float]] = {name: [] for name in rivals}
    for _ in range(rounds):
        for name, predict in rivals.items():
            time.sleep(SETTLE_SECONDS)  # the threads of the one before spin for a while
            times[name].append(seconds_a_call(predict, images))
    return {name: median(each) for name, each in times.items()}


def table(model: str, rounds: int) -> str:
    """The rows of one network."""
    images = np.random.default_rng(0).integers(0, 256, (THROUGHPUT_BATCH, 3, 32, 32), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        rivals = contestants(model, Path(folder))
        check(rivals, images[:16])
        latency = measure(rivals, images[:LATENCY_BATCH], rounds)
        throughput = measure(rivals, images, rounds)
    rows = [
        f"| {model} | {name} | {1000 * latency[name]:.2f} | {THROUGHPUT_BATCH / throughput[name]:,.0f} |"
        for name in rivals
    ]
    return "\n".join(rows)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["resnet18"], metavar="MODEL")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    print(f"{machine()}; Paddle {paddle.__version__}; {arguments.rounds} rounds\n")
    print(f"| network | | batch {LATENCY_BATCH}, ms | batch {THROUGHPUT_BATCH}, images/s |")
    print("| --- | --- | ---: | ---: |")
    for model in arguments.models:
        print(table(model, arguments.rounds), flush=True)


if __name__ == "__main__":
    main()
