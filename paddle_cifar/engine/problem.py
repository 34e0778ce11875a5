"""What a convolution is to the engine: shapes, how the kernel walks, and how its weight lies in memory."""

from __future__ import annotations

from ctypes import c_void_p
from dataclasses import dataclass, field
from typing import Any

import paddle

from paddle_cifar.engine import dnnl
from paddle_cifar.engine.tensors import Shape, new_tensor, packed, reorder


@dataclass(frozen=True)
class Geometry:
    """How the kernel walks the image. `padding` is top, left, bottom, right."""

    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    def output_size(self, size: int, kernel: int, axis: int) -> int:
        """Pixels of the result along ``axis`` (0: height, 1: width), of ``size``, for a kernel so wide."""
        reach = self.dilation[axis] * (kernel - 1) + 1
        return (size + self.padding[axis] + self.padding[axis + 2] - reach) // self.stride[axis] + 1


@dataclass(frozen=True)
class Problem:
    """Everything a convolution's machine code depends on."""

    image: Shape
    weight: tuple[int, ...]
    geometry: Geometry
    element: int
    bias: bool
    grouped_weight: tuple[int, ...] = field(init=False)
    output: Shape = field(init=False)

    def __post_init__(self) -> None:
        filters, depth, *kernel = self.weight
        groups = self.geometry.groups
        grouped = self.weight if groups == 1 else (groups, filters // groups, depth, *kernel)
        height, width = (
            self.geometry.output_size(self.image[2 + axis], kernel[axis], axis) for axis in (0, 1)
        )
        object.__setattr__(self, "grouped_weight", tuple(grouped))
        object.__setattr__(self, "output", (self.image[0], filters, height, width))

    def descriptors(self, weight_element: int) -> tuple[c_void_p, c_void_p, c_void_p | None, c_void_p]:
        """Image, weight, bias and output, in the order the C API takes them."""
        return (
            dnnl.channels_last(self.image, self.element),
            dnnl.any_layout(self.grouped_weight, weight_element),
            dnnl.vector(self.output[1]) if self.bias else None,
            dnnl.channels_last(self.output, self.element),
        )

    def walk(self) -> tuple[Any, ...]:
        """Strides, dilations (oneDNN counts the gaps) and paddings."""
        geometry = self.geometry
        gaps = tuple(step - 1 for step in geometry.dilation)
        return tuple(map(dnnl.dims, (geometry.stride, gaps, geometry.padding[:2], geometry.padding[2:])))

    def master_weight(self) -> c_void_p:
        """The layout of Paddle's own parameter."""
        return dnnl.descriptor(self.grouped_weight, dnnl.FLOAT32)

    def channels_last_weight(self, element: int) -> c_void_p:
        """[out, kh, kw, in / groups], on the way between Paddle's layout and any of oneDNN's: two easy
        transpositions take a quarter of the time of a hard one."""
        *outer, depth, high, broad = self.grouped_weight
        row = depth * high * broad
        strides = ([outer[-1] * row] if len(outer) > 1 else []) + [row, 1, broad * depth, depth]
        return dnnl.descriptor(self.grouped_weight, element, tuple(strides))


def rounded(problem: Problem, weight: paddle.Tensor) -> paddle.Tensor:
    """The weight in the engine's precision, channels last."""
    return packed(weight, problem.master_weight(), problem.channels_last_weight(problem.element))


def unrounded(problem: Problem, raw: paddle.Tensor) -> paddle.Tensor:
    """A float32 gradient that lies channels last, in Paddle's layout."""
    result = new_tensor(problem.weight)
    layout = problem.channels_last_weight(dnnl.FLOAT32)
    reorder(raw.data_ptr(), layout, result.data_ptr(), problem.master_weight())
    return result
