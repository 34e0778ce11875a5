"""Between Paddle's tensors and oneDNN's pointers: allocation, element types, aliases, reorders.

Inside the engine an image batch is a plain Paddle tensor of shape [N, H, W, C] (float32 or bfloat16). Paddle
owns its memory and counts its references; oneDNN is only shown where it lies while a primitive runs.
"""

from __future__ import annotations

import ctypes
import functools
from ctypes import c_void_p

import paddle

from paddle_cifar.engine import dnnl
from paddle_cifar.engine.primitive import Primitive, cached, layout_size, post_operations

Shape = tuple[int, int, int, int]  # of an image batch, always said as N, C, H, W
BYTES = {dnnl.FLOAT32: 4, dnnl.BF16: 2}
PADDLE_TYPE = {dnnl.FLOAT32: paddle.float32, dnnl.BF16: paddle.bfloat16}
CPU = paddle.CPUPlace()

# paddle.empty does the same after 6 us of argument checks, three hundred times a step; and the public names
# are routed through the engine while a network runs.
_empty, _reshape = paddle._C_ops.empty, paddle._C_ops.reshape


@functools.cache
def keep_freed_memory() -> None:
    """Ask the C library to keep freed memory instead of returning it to the system.

    Activations are tens of megabytes; by default each one is mapped anew and its pages are zeroed by the
    kernel at first touch, which costs more than reading and writing them (12 ms against 1.5 ms for 16 MB).
    """
    m_trim_threshold, m_mmap_max = -1, -4
    try:
        libc = ctypes.CDLL(None)
        libc.mallopt(m_mmap_max, 0)
        libc.mallopt(m_trim_threshold, -1)
    except (OSError, AttributeError, TypeError):  # not glibc: slower, still right
        pass


def element_type(tensor: paddle.Tensor) -> int:
    """oneDNN's number for the tensor's type."""
    return dnnl.BF16 if tensor.dtype == paddle.bfloat16 else dnnl.FLOAT32


def image_shape(tensor: paddle.Tensor) -> Shape:
    """N, C, H, W of an image batch that lies as [N, H, W, C]."""
    batch, height, width, channels = tensor.shape
    return (batch, channels, height, width)


def new_image(shape: Shape, element: int) -> paddle.Tensor:
    """Memory for an image batch, not yet written."""
    batch, channels, height, width = shape
    return _empty([batch, height, width, channels], PADDLE_TYPE[element], CPU)


def new_vector(length: int) -> paddle.Tensor:
    """A float32 vector, not yet written."""
    return _empty([length], paddle.float32, CPU)


def new_tensor(shape: tuple[int, ...]) -> paddle.Tensor:
    """A float32 tensor in Paddle's own layout."""
    return _empty(list(shape), paddle.float32, CPU)


def new_bytes(size: int) -> paddle.Tensor:
    """Memory whose inner layout is oneDNN's own affair (packed weights, workspaces)."""
    return _empty([max(size, 1)], paddle.uint8, CPU)


def alias(tensor: paddle.Tensor) -> paddle.Tensor:
    """The same memory without the autograd history, which would keep a graph alive through its own results.

    Not `paddle.reshape` nor `detach`: those give the same tensor implementation, which a PyLayer that returns
    it takes for an operation in place, and then mixes up the gradients of its outputs.
    """
    return _reshape(tensor, tensor.shape)


@cached
def _reorder(source: object, destination: object) -> Primitive:
    return Primitive("reorder", c_void_p(source), c_void_p(destination))  # type: ignore[arg-type]


def reorder(source: int, source_layout: c_void_p, destination: int, destination_layout: c_void_p) -> None:
    """Copy between two layouts or element types of the same logical tensor. Descriptors are kept for ever
    by their makers (cached descriptors, cached primitives), so their addresses identify them.
    """
    primitive = _reorder(source_layout.value, destination_layout.value)
    primitive.run({dnnl.SRC: source, dnnl.DST: destination})


def packed(tensor: paddle.Tensor, layout: c_void_p, want: c_void_p) -> paddle.Tensor:
    """A copy of a parameter in the layout and element type an operation wants."""
    result = new_bytes(layout_size(want))
    reorder(tensor.data_ptr(), layout, result.data_ptr(), want)
    return result


def to_channels_last(tensor: paddle.Tensor, element: int) -> paddle.Tensor:
    """[N, C, H, W] in Paddle's float32 to [N, H, W, C]."""
    shape = tuple(tensor.shape)
    tensor = tensor.contiguous()
    result = new_image(shape, element)
    reorder(
        tensor.data_ptr(),
        dnnl.descriptor(shape, dnnl.FLOAT32),
        result.data_ptr(),
        dnnl.channels_last(shape, element),
    )
    return result


def to_channels_first(tensor: paddle.Tensor) -> paddle.Tensor:
    """[N, H, W, C] to Paddle's own [N, C, H, W] in float32."""
    shape = image_shape(tensor)
    result = new_tensor(shape)
    layout = dnnl.channels_last(shape, element_type(tensor))
    reorder(tensor.data_ptr(), layout, result.data_ptr(), dnnl.descriptor(shape, dnnl.FLOAT32))
    return result


def accumulate(one: paddle.Tensor, other: paddle.Tensor) -> paddle.Tensor:
    """The sum of two image batches, such as the two gradients that meet at a fork."""
    shape, element = image_shape(one), element_type(one)
    result = new_image(shape, element)
    sum_of(shape, element, False).run(
        {dnnl.SRC: one.data_ptr(), dnnl.SRC_1: other.data_ptr(), dnnl.DST: result.data_ptr()}
    )
    return result


@cached
def sum_of(shape: Shape, element: int, relu: bool) -> Primitive:
    """The addition of two image batches, with ReLU after it if asked."""
    layout = dnnl.channels_last(shape, element)
    attributes = post_operations((dnnl.RELU, 0.0)) if relu else None
    return Primitive("binary", ctypes.c_int(dnnl.ADD), layout, layout, layout, attributes=attributes)
