"""A compiled oneDNN operation: made once per shape, run with the pointers of the day."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from ctypes import byref, c_char_p, c_float, c_int, c_size_t, c_void_p
from typing import Any

from paddle_cifar.engine import dnnl

# Handles of the memories below are set anew at every run, so two threads must not run at once.
_running = threading.Lock()


class Primitive:
    """One operation on fixed shapes. It owns oneDNN's objects, never the tensors it is run on."""

    def __init__(
        self, operation: str, *arguments: object, attributes: c_void_p | None = None, prefer: str = ""
    ) -> None:
        """`prefer` names the implementation to take where oneDNN has it, whatever it would choose itself."""
        creator = f"dnnl_{operation}_primitive_desc_create"
        if operation == "reorder":  # the one creator that takes an engine for each side
            source, destination = arguments
            engine = dnnl.engine()
            self.description = dnnl.create(creator, source, engine, destination, engine, attributes)
        else:
            self.description = dnnl.create(creator, dnnl.engine(), *arguments, attributes)
            if prefer and not self._advance_to(prefer):
                self.description = dnnl.create(creator, dnnl.engine(), *arguments, attributes)
        self._primitive = dnnl.create("dnnl_primitive_create", self.description)
        self._memories: dict[int, c_void_p] = {}
        self._calls: dict[tuple[int, ...], Any] = {}
        self._execute = dnnl.library().dnnl_primitive_execute
        self._set_pointer = dnnl.library().dnnl_memory_set_data_handle

    def _advance_to(self, name: str) -> bool:
        """Walk oneDNN's list of implementations, best first in its opinion, to one with this name."""
        following = dnnl.library().dnnl_primitive_desc_next_impl
        while not self.implementation.startswith(name):
            if following(self.description):
                return False
        return True

    def layout(self, kind: int) -> c_void_p:
        """The memory descriptor this operation expects for one of its arguments."""
        query = dnnl.library().dnnl_primitive_desc_query_md
        query.restype = c_void_p
        found = query(self.description, c_int(dnnl.QUERY_ARGUMENT), c_int(kind))
        if not found:
            raise dnnl.DnnlError(f"the primitive has no argument {kind}")
        return c_void_p(found)

    def size(self, kind: int) -> int:
        """How many bytes that argument occupies."""
        return layout_size(self.layout(kind))

    @property
    def implementation(self) -> str:
        """oneDNN's name for the code it chose, `ref` for the slow reference one."""
        name = c_char_p()
        dnnl.call(
            "dnnl_primitive_desc_query",
            self.description,
            c_int(dnnl.QUERY_IMPLEMENTATION),
            c_int(0),
            byref(name),
        )
        return (name.value or b"").decode()

    def run(self, pointers: dict[int, int]) -> None:
        """Execute on these addresses: {what it is to the primitive: where it lies}."""
        kinds = tuple(pointers)
        call = self._calls.get(kinds)
        if call is None:
            call = self._calls[kinds] = self._prepare(kinds)
        memories, arguments = call
        with _running:
            for memory, pointer in zip(memories, pointers.values(), strict=True):
                self._set_pointer(memory, c_void_p(pointer))
            status = self._execute(self._primitive, dnnl.stream(), len(kinds), arguments)
        if status:
            raise dnnl.DnnlError(f"execution returned status {status}")

    def _prepare(self, kinds: tuple[int, ...]) -> tuple[list[c_void_p], Any]:
        for kind in kinds:
            if kind not in self._memories:
                self._memories[kind] = dnnl.create(
                    "dnnl_memory_create", self.layout(kind), dnnl.engine(), c_void_p(None)
                )
        memories = [self._memories[kind] for kind in kinds]
        pairs = [dnnl.Argument(kind, memory) for kind, memory in zip(kinds, memories, strict=True)]
        return memories, (dnnl.Argument * len(kinds))(*pairs)


def layout_size(layout: c_void_p) -> int:
    """Bytes behind a memory descriptor."""
    measure = dnnl.library().dnnl_memory_desc_get_size
    measure.restype = c_size_t
    return measure(layout)


def same_layout(one: c_void_p, other: c_void_p) -> bool:
    """Whether two memory descriptors say the same."""
    return bool(dnnl.library().dnnl_memory_desc_equal(one, other))


def post_operations(*steps: tuple[int, float], added: c_void_p | None = None, onto: bool = False) -> c_void_p:
    """Attributes that append to an operation's result: an addition (``added`` describes the tensor), then
    element-wise steps, each (algorithm, alpha). ``onto`` adds it to what the destination holds."""
    chain = dnnl.create("dnnl_post_ops_create")
    if onto:  # scale, zero point, and the element type as it is
        dnnl.call("dnnl_post_ops_append_sum", chain, c_float(1.0), c_int(0), c_int(0))
    if added is not None:
        dnnl.call("dnnl_post_ops_append_binary", chain, c_int(dnnl.ADD), added)
    for algorithm, alpha in steps:
        dnnl.call("dnnl_post_ops_append_eltwise", chain, c_int(algorithm), c_float(alpha), c_float(0.0))
    attributes = dnnl.create("dnnl_primitive_attr_create")
    dnnl.call("dnnl_primitive_attr_set_post_ops", attributes, chain)
    return attributes


def cached(make: Callable[..., Any]) -> Callable[..., Any]:
    """Keep what `make` builds, one for each distinct set of arguments (shapes, types, options)."""
    return functools.lru_cache(maxsize=None)(make)
