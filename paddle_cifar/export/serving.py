"""Networks in the formats that servers run: written as Paddle's inference model or ONNX, and run again.

The graph takes ``image``, uint8 (N, 3, 32, 32) in RGB with any N, normalises it, and gives the
logits, float32 (N, 100).
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import paddle
from paddle import nn

from paddle_cifar.data.loader import CIFAR100_MEAN, CIFAR100_STD
from paddle_cifar.environment import python_path
from paddle_cifar.errors import RunError
from paddle_cifar.optional import optional

Predict = Callable[[np.ndarray], np.ndarray]  # uint8 (N, 3, 32, 32) -> logits (N, 100)

NAME = "model"
PROGRAMS = (f"{NAME}.json", f"{NAME}.pdmodel")  # Paddle 3's and Paddle 2's name of the graph's file
# What the newest onnxruntime and those of the last years have in common.
OPSET = 13
ONNX_PACKAGES = "paddle2onnx onnxruntime"


class Normalised(nn.Layer):
    """A network that takes pixels: ``data.loader.normalise`` is its first step.

    Args:
        network: maps normalised images (N, 3, 32, 32) to logits (N, C).
    """

    def __init__(self, network: nn.Layer) -> None:
        super().__init__()
        self.network = network
        mean, std = (
            np.asarray(each, np.float32).reshape(1, 3, 1, 1) for each in (CIFAR100_MEAN, CIFAR100_STD)
        )
        self.register_buffer("offset", paddle.to_tensor(mean * np.float32(255)))
        self.register_buffer("scale", paddle.to_tensor(1 / (std * np.float32(255))))

    def forward(self, image: paddle.Tensor) -> paddle.Tensor:
        """Logits (N, C) of uint8 images (N, 3, 32, 32)."""
        return self.network((image.astype("float32") - self.offset) * self.scale)


def write_paddle(network: nn.Layer, folder: Path) -> list[Path]:
    """Write Paddle's inference model: model.json (model.pdmodel before Paddle 3) and model.pdiparams."""
    served = Normalised(network)
    served.eval()
    image = paddle.static.InputSpec([None, 3, 32, 32], "uint8", "image")
    with _linear_as_products():
        paddle.jit.save(served, str(folder / NAME), input_spec=[image])
    return [_program(folder), folder / f"{NAME}.pdiparams"]


@contextlib.contextmanager
def _linear_as_products() -> Iterator[None]:
    """Paddle 3.3's GPU build writes Linear as an operator that paddle2onnx does not know."""
    name = "FLAGS_use_legacy_linear"
    try:
        before = paddle.get_flags(name)
    except ValueError:  # a Paddle without the flag, and without the operator
        yield
        return
    paddle.set_flags({name: True})
    try:
        yield
    finally:
        paddle.set_flags(before)


def write_onnx(network: nn.Layer, folder: Path) -> list[Path]:
    """Write model.onnx, made from Paddle's inference model, which is left beside it.

    Raises:
        RunError: when paddle2onnx is missing, or has no words for a layer of the network.
    """
    if paddle.__version__.startswith("2."):
        raise RunError(f"--format onnx needs Paddle 3, this is {paddle.__version__}; choose --format paddle")
    paddle2onnx, _ = (optional(package, ONNX_PACKAGES) for package in ONNX_PACKAGES.split())
    program, weights = write_paddle(network, folder)
    file = folder / f"{NAME}.onnx"
    try:
        # Its default optimizer takes 20 s and installs packages without asking; onnxruntime optimizes
        # the graph anyway, as it loads it.
        paddle2onnx.export(
            str(program), str(weights), str(file), opset_version=OPSET, verbose=False, optimize_tool="None"
        )
    except Exception as error:  # it raises what its C++ throws
        raise RunError(f"paddle2onnx cannot convert this network: {error}") from error
    if not file.exists():
        raise RunError("paddle2onnx wrote no file; choose --format paddle")
    return [file]


def run_paddle(folder: Path, threads: int) -> Predict:
    """Load what :func:`write_paddle` wrote with paddle.inference, on the CPU, with its oneDNN."""
    from paddle import inference

    config = inference.Config(str(_program(folder)), str(folder / f"{NAME}.pdiparams"))
    config.disable_gpu()
    config.disable_glog_info()
    config.enable_mkldnn()
    config.set_cpu_math_library_num_threads(threads)
    predictor = inference.create_predictor(config)
    image = predictor.get_input_handle(predictor.get_input_names()[0])
    logits = predictor.get_output_handle(predictor.get_output_names()[0])

    def predict(images: np.ndarray) -> np.ndarray:
        image.reshape(images.shape)
        image.copy_from_cpu(images)
        predictor.run()
        return logits.copy_to_cpu()

    return predict


def run_onnx(folder: Path, threads: int) -> Predict:
    """Load what :func:`write_onnx` wrote with onnxruntime, on the CPU."""
    onnxruntime = optional("onnxruntime", ONNX_PACKAGES)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        str(folder / f"{NAME}.onnx"), options, providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name
    return lambda images: session.run(None, {name: images})[0]


WRITERS: dict[str, Callable[[nn.Layer, Path], list[Path]]] = {"paddle": write_paddle, "onnx": write_onnx}
RUNNERS: dict[str, Callable[[Path, int], Predict]] = {"paddle": run_paddle, "onnx": run_onnx}


def logits_of(format: str, folder: Path, batches: Sequence[np.ndarray], threads: int) -> list[np.ndarray]:
    """The logits that the files in ``folder`` give for each batch of images, from a process of its own.

    paddle.inference changes how Paddle computes in the rest of its process: a run trained there later
    would not have the bits of the same run elsewhere.

    Raises:
        RunError: when the files cannot be run.
    """
    exchanged = folder / ".exchanged.npz"
    np.savez(exchanged, *batches)
    try:
        done = subprocess.run(
            [sys.executable, "-m", __spec__.name, format, str(folder), str(exchanged), str(threads)],
            env={**os.environ, "PYTHONPATH": python_path()}, capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            raise RunError(f"the {format} model cannot be run: {reason}")
        with np.load(exchanged) as answers:
            return [answers[name] for name in answers.files]
    finally:
        exchanged.unlink(missing_ok=True)


def _answer(format: str, folder: str, exchanged: str, threads: str) -> None:
    """The other side of :func:`logits_of`: replace the batches in the file by their logits."""
    predict = RUNNERS[format](Path(folder), int(threads))
    with np.load(exchanged) as batches:
        logits = [predict(batches[name]) for name in batches.files]
    np.savez(exchanged, *logits)


def _program(folder: Path) -> Path:
    """The graph's file."""
    return next((folder / name for name in PROGRAMS if (folder / name).exists()), folder / PROGRAMS[0])


if __name__ == "__main__":
    _answer(*sys.argv[1:])
