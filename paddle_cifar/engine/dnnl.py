"""The oneDNN inside Paddle's own wheel, called through ctypes: no compiler, no headers, no second copy.

oneDNN in five words. A *memory descriptor* says how a tensor lies in memory (dimensions, type, strides). A
*primitive descriptor* is one operation on given descriptors (a 3x3 convolution of this shape), a *primitive*
the machine code oneDNN generated for it, a *memory* a descriptor with a pointer. An *engine* is the device, a
*stream* its queue.

The names and numbers are those of oneDNN's public C header, the same in 3.2 and 3.6. Every descriptor is
built with NCHW dimensions in this order whatever the strides; nothing here owns tensor memory, which stays
with Paddle.
"""

from __future__ import annotations

import ctypes
import functools
import math
import platform
import sys
from ctypes import POINTER, byref, c_char_p, c_int, c_int64, c_size_t, c_uint, c_void_p
from pathlib import Path
from typing import Any

# The releases the numbers below were checked against: Paddle 2.6 carries 3.2.1, Paddle 3.3 carries 3.6.2.
KNOWN_VERSIONS = {(3, 2), (3, 6)}

FLOAT32, BF16 = 3, 2
TRAINING, INFERENCE, BACKWARD = 64, 96, 128

# What a pointer handed to a primitive is to it.
SRC, SRC_1, DST, WEIGHTS, BIAS, MEAN, VARIANCE, SCALE, SHIFT, WORKSPACE = 1, 2, 17, 33, 41, 49, 50, 51, 52, 64
DIFF_SRC, DIFF_DST, DIFF_WEIGHTS, DIFF_BIAS, DIFF_SCALE, DIFF_SHIFT = 129, 145, 161, 169, 255, 256
ADDED = 1 << 15 | SRC_1  # what an operation adds to its result, as second source of its first post-operation
QUERY_IMPLEMENTATION, QUERY_ARGUMENT = 8, 255

CONVOLUTION = 1
POOL_MAX, POOL_AVERAGE_PADDED, POOL_AVERAGE = 0x1FF, 0x2FF, 0x3FF
ADD, MULTIPLY = 0x1FFF0, 0x1FFF1
RELU, TANH, LINEAR, HARDSIGMOID, SIGMOID, GELU_TANH, SWISH = 0x20, 0x21, 0x26, 0x28, 0x29, 0x2B, 0x2C
CLIP, GELU_ERF, MISH, HARDSWISH = 0x2F, 0x31, 0x33, 0x34
RELU_FROM_OUTPUT, SIGMOID_FROM_OUTPUT = 0x100, 0x104
GLOBAL_STATISTICS, USE_SCALE, USE_SHIFT, FUSE_RELU = 1, 2, 4, 8


class DnnlError(RuntimeError):
    """oneDNN refused a call, or is not there to be called."""


class Argument(ctypes.Structure):
    """One (what it is to the primitive, memory) pair of an execution."""

    _fields_ = (("kind", c_int), ("memory", c_void_p))


class _Version(ctypes.Structure):
    _fields_ = (
        ("major", c_int), ("minor", c_int), ("patch", c_int), ("hash", c_char_p), ("cpu", c_uint),
        ("gpu", c_uint),
    )  # fmt: skip


def library_path() -> Path:
    """Where Paddle's wheel keeps oneDNN. Raises DnnlError on a platform where it has none we can call."""
    if not sys.platform.startswith("linux") or platform.machine() not in ("x86_64", "AMD64"):
        raise DnnlError(f"{platform.system()} on {platform.machine()} has no fast path")
    import paddle

    found = sorted((Path(paddle.__file__).parent / "libs").glob("libdnnl.so*"))
    if not found:
        raise DnnlError("this Paddle carries no libdnnl")
    return found[0]


@functools.cache
def library() -> Any:
    """The library Paddle has already loaded (opening the same file again gives the same copy)."""
    path = library_path()
    try:
        dnnl = ctypes.CDLL(str(path))
        dnnl.dnnl_version.restype = POINTER(_Version)
        version = dnnl.dnnl_version().contents
    except (OSError, AttributeError) as error:
        raise DnnlError(f"{path.name} cannot be used: {error}") from error
    if (version.major, version.minor) not in KNOWN_VERSIONS:
        raise DnnlError(
            f"oneDNN {version.major}.{version.minor}.{version.patch} is not one this project knows"
        )
    dnnl.version = f"{version.major}.{version.minor}.{version.patch}"
    return dnnl


def call(name: str, *arguments: object) -> None:
    """Call a function of the C API; anything but success raises DnnlError."""
    status = getattr(library(), name)(*arguments)
    if status:
        raise DnnlError(f"{name} returned status {status}")


def create(name: str, *arguments: object) -> c_void_p:
    """Call a function whose first argument receives the handle of what it makes."""
    handle = c_void_p()
    call(name, byref(handle), *arguments)
    return handle


@functools.cache
def engine() -> c_void_p:
    """The CPU."""
    return create("dnnl_engine_create", c_int(1), c_size_t(0))


@functools.cache
def stream() -> c_void_p:
    """The CPU's queue: an execution is finished when the call returns."""
    return create("dnnl_stream_create", engine(), c_uint(1))


def dims(values: tuple[int, ...]) -> Any:
    """A dnnl_dims_t: always twelve 64-bit numbers."""
    return (c_int64 * 12)(*values)


@functools.cache
def descriptor(shape: tuple[int, ...], dtype: int, strides: tuple[int, ...] | None = None) -> c_void_p:
    """A memory descriptor; without strides the last dimension varies fastest."""
    if strides is None:
        strides = tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
    return create(
        "dnnl_memory_desc_create_with_strides", c_int(len(shape)), dims(shape), c_int(dtype), dims(strides)
    )


@functools.cache
def any_layout(shape: tuple[int, ...], dtype: int) -> c_void_p:
    """A descriptor that leaves the layout to oneDNN (weights are packed for the machine)."""
    return create("dnnl_memory_desc_create_with_tag", c_int(len(shape)), dims(shape), c_int(dtype), c_int(1))


def channels_last(shape: tuple[int, ...], dtype: int) -> c_void_p:
    """An image batch of logical NCHW `shape` whose channels lie side by side: NHWC, the layout between
    layers.
    """
    _, channels, height, width = shape
    return descriptor(shape, dtype, (height * width * channels, 1, width * channels, channels))


def vector(length: int) -> c_void_p:
    """A float32 vector: biases, scales, statistics."""
    return descriptor((length,), FLOAT32)
