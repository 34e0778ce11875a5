"""Loops over vectors of floats, compiled for this processor by LLVM when they are first needed.

For what no primitive of oneDNN does in one go (`sums.py`). A kernel is written line by line as LLVM's
intermediate representation, and runs on the threads oneDNN uses: two pools would fight for the cores. LLVM
comes with llvmlite, the package numba is built on; without it the engine does without these kernels.

    code = Code()
    tasks, address = code.arguments(2)
    numbers = code.pointer(address)
    with code.tasks(tasks) as task:
        at = code.multiply(task, LANES)
        code.store(code.relu(code.load(numbers, at, dnnl.BF16)), numbers, at, dnnl.BF16)
    Kernel(code).run(count, tensor.data_ptr())
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import itertools
from collections.abc import Iterator, Sequence
from ctypes import c_int64, c_uint, c_void_p
from typing import Any

from paddle_cifar.engine import dnnl

OLDEST_LLVM = 20  # of llvmlite 0.45; those before 17 have no vectors of bf16
LANES = 16  # floats of a vector
VECTOR = f"<{LANES} x float>"
# As they lie in memory: LLVM's name for one, and for a vector of them; and bytes.
MEMORY = {dnnl.FLOAT32: ("float", VECTOR, 4), dnnl.BF16: ("bfloat", f"<{LANES} x bfloat>", 2)}


@functools.cache
def hindrance(element: int) -> str | None:
    """Why no kernel on numbers of this type can be compiled here, or None."""
    try:
        # Elsewhere LLVM would call a function for each number it rounds to bf16, or end the process for want
        # of it. So LLVM is asked, which makes the code, not the system.
        if element == dnnl.BF16 and not _host().get("avx512bf16"):
            return "the processor has no AVX512-BF16"
        _openmp()
        code = Code()
        (tasks,), room = code.arguments(1), code.room(LANES)
        with code.tasks(tasks):
            code.store(code.load(room, 0, element), room, 0, element)
        Kernel(code).run(1)
    except ModuleNotFoundError:
        return "llvmlite is missing (pip install llvmlite)"
    except (ImportError, OSError, AttributeError, RuntimeError) as error:  # the last is llvmlite's only kind
        return " ".join(str(error).split())
    return None


def _host() -> Any:
    """What this processor can do, by LLVM's names."""
    from llvmlite import binding

    return binding.get_host_cpu_features()


@functools.cache
def _compiler() -> Any:
    """LLVM for this processor. It keeps the machine code it makes."""
    from llvmlite import binding

    version = binding.llvm_version_info[0]
    if version < OLDEST_LLVM:
        raise dnnl.DnnlError(f"llvmlite has LLVM {version}, too old (pip install --upgrade llvmlite)")
    binding.check_jit_execution()  # raises OSError where the system forbids code made at run time
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    machine = binding.Target.from_default_triple().create_target_machine(
        cpu=binding.get_host_cpu_name(), features=_host().flatten(), opt=3
    )
    return binding.create_mcjit_compiler(binding.parse_assembly(""), machine)


@functools.cache
def _openmp() -> Any:
    """The threads of oneDNN. It was built for libgomp, but Paddle loads libiomp5 first, which has the same
    functions. Whatever loads libgomp before Paddle makes two pools of threads: slower, not wrong.
    """
    path = dnnl.library_path().with_name("libiomp5.so")
    parallel = ctypes.CDLL(str(path)).GOMP_parallel
    parallel.argtypes, parallel.restype = (c_void_p, c_void_p, c_uint, c_uint), None
    return parallel


class Kernel:
    """Machine code for one `Code`.

    LLVM's passes that improve its own code are not run, only the one that makes the machine's of it: a
    kernel takes 20 ms without them and 70 with, and gets no faster.
    """

    _numbers = itertools.count()

    def __init__(self, code: Code) -> None:
        from llvmlite import binding

        self._compiler = _compiler()  # which owns the machine code
        name = f"kernel_{next(self._numbers)}"
        try:
            module = binding.parse_assembly(code.text(name))
            module.verify()
            self._compiler.add_module(module)
            self._compiler.finalize_object()
        except RuntimeError as error:  # llvmlite's only kind
            raise dnnl.DnnlError(f"LLVM refuses a kernel: {error}") from error
        self._address = self._compiler.get_function_address(name)

    def run(self, *arguments: int) -> None:
        """Every thread takes one task after the other, until all are done."""
        values = (c_int64 * (1 + len(arguments)))(0, *arguments)
        _openmp()(self._address, ctypes.addressof(values), 0, 0)


class Code:
    """A kernel being written. What its methods take and give are LLVM's names of values, and integers."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._block = "entry"
        self._names = 0

    def text(self, name: str) -> str:
        """The whole kernel. Its argument points to 64-bit numbers: the next task, then those of `run`."""
        lines = "\n".join(["entry:", *self._lines, "ret void"])
        return f"define void @{name}(ptr %arguments) {{\n{lines}\n}}\n"

    def value(self, expression: str) -> str:
        """The name of what an instruction gives."""
        name = self._name()
        self._lines.append(f"{name} = {expression}")
        return name

    def _name(self) -> str:
        self._names += 1
        return f"%v{self._names}"

    def arguments(self, count: int) -> list[str]:
        """What `run` was given."""
        places = [self.value(f"getelementptr i64, ptr %arguments, i64 {1 + n}") for n in range(count)]
        return [self.value(f"load i64, ptr {place}") for place in places]

    def pointer(self, address: str) -> str:
        return self.value(f"inttoptr i64 {address} to ptr")

    def add(self, *numbers: str | int) -> str | int:
        return functools.reduce(lambda one, other: self.value(f"add i64 {one}, {other}"), numbers)

    def multiply(self, *numbers: str | int) -> str | int:
        return functools.reduce(lambda one, other: self.value(f"mul i64 {one}, {other}"), numbers)

    @contextlib.contextmanager
    def tasks(self, count: str) -> Iterator[str]:
        """A loop that all threads share: each number below `count` is taken by one of them."""
        again, body, end = (self._name()[1:] for _ in range(3))
        self._begin(again)
        number = self.value("atomicrmw add ptr %arguments, i64 1 monotonic")
        self._branch(number, count, body, end)
        yield number
        self._lines.append(f"br label %{again}")
        self._begin(end, jump=False)

    @contextlib.contextmanager
    def loop(self, stop: str | int, step: int = 1) -> Iterator[str]:
        """Numbers from 0 to below `stop`."""
        again, body, end = (self._name()[1:] for _ in range(3))
        before = self._block
        self._begin(again)
        number, place = self._name(), len(self._lines)
        self._lines.append("")  # the number: where control comes from is known at the end
        self._branch(number, stop, body, end)
        yield number
        following = self.add(number, step)
        self._lines[place] = f"{number} = phi i64 [ 0, %{before} ], [ {following}, %{self._block} ]"
        self._lines.append(f"br label %{again}")
        self._begin(end, jump=False)

    def _begin(self, block: str, jump: bool = True) -> None:
        if jump:
            self._lines.append(f"br label %{block}")
        self._lines.append(f"{block}:")
        self._block = block

    def _branch(self, number: str, stop: str | int, body: str, end: str) -> None:
        below = self.value(f"icmp slt i64 {number}, {stop}")
        self._lines.append(f"br i1 {below}, label %{body}, label %{end}")
        self._begin(body, jump=False)

    def room(self, floats: str | int) -> str:
        """Memory of the thread's own, zero at first; a whole number of vectors. To be asked for before any
        loop: it is given back only when the kernel ends.
        """
        pointer = self.value(f"alloca float, i64 {floats}, align 64")
        with self.loop(floats, step=LANES) as at:
            self.store("zeroinitializer", pointer, at, dnnl.FLOAT32)
        return pointer

    def _place(self, pointer: str, index: str | int, element: int) -> str:
        return self.value(f"getelementptr {MEMORY[element][0]}, ptr {pointer}, i64 {index}")

    def load(self, pointer: str, index: str | int, element: int) -> str:
        """The vector that begins at this number, in float32."""
        _, kind, size = MEMORY[element]
        vector = self.value(f"load {kind}, ptr {self._place(pointer, index, element)}, align {size}")
        return self.value(f"fpext {kind} {vector} to {VECTOR}") if element == dnnl.BF16 else vector

    def store(self, vector: str, pointer: str, index: str | int, element: int) -> None:
        _, kind, size = MEMORY[element]
        if element == dnnl.BF16:
            vector = self.value(f"fptrunc {VECTOR} {vector} to {kind}")
        self._lines.append(f"store {kind} {vector}, ptr {self._place(pointer, index, element)}, align {size}")

    def plus(self, one: str, other: str) -> str:
        return self.value(f"fadd contract {VECTOR} {one}, {other}")

    def relu(self, vector: str) -> str:
        """Zero for what is below it; what is not a number stays so."""
        below = self.value(f"fcmp olt {VECTOR} {vector}, zeroinitializer")
        return self.value(f"select <{LANES} x i1> {below}, {VECTOR} zeroinitializer, {VECTOR} {vector}")

    def weighted(self, weights: Sequence[float], vectors: Sequence[str]) -> str:
        """The sum of the vectors times their weights; those that weigh nothing are left out."""
        terms = []
        for weight, vector in zip(weights, vectors, strict=True):
            if weight:
                # LLVM reads a float as the bits of the float64 it equals.
                bits = ctypes.c_uint64.from_buffer(ctypes.c_double(ctypes.c_float(weight).value)).value
                same = ", ".join([f"float 0x{bits:016X}"] * LANES)
                terms.append(self.value(f"fmul contract {VECTOR} {vector}, <{same}>"))
        return functools.reduce(self.plus, terms) if terms else "zeroinitializer"
