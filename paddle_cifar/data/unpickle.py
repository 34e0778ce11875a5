"""Unpickles CIFAR's dictionaries of lists, text and number arrays, and nothing else.

Unpickling normally runs whatever a pickle asks for. Here nothing it names is ever imported:
a handful of numpy's names map to the small stand-ins below, which accept plain number arrays
only; any other name is refused, and so is every opcode the published format has no use for.
Files of Python 2 and 3, numpy 1 and 2, and pickle protocols 2 to 5 are read.
"""

from __future__ import annotations

import pickle
import struct
from typing import IO, Any, ClassVar

import numpy as np

from paddle_cifar.errors import RunError

READS_LIMIT = 4_000_000  # steps of the unpickler, some 2 s; the published train member takes 0.6 million


class Refused(RunError):
    """The archive asks for something that only a hostile file would ask for."""


def load_dictionary(file: IO[bytes]) -> dict[str, Any]:
    """The dictionary pickled in ``file``; text of Python 2 comes as bytes, arrays come read-only.

    Raises ``Refused`` for a pickle that asks for anything foreign, and any other Exception for
    a damaged one.
    """
    contents = _RestrictedUnpickler(_MeteredReader(file), encoding="bytes").load()
    if type(contents) is not dict:
        raise ValueError("the pickle is not a dictionary")
    return {key: value.value if isinstance(value, _Array) else value for key, value in contents.items()}


def _text(value: object) -> str:
    """Python 2 pickled text as bytes, Python 3 as str; both mean a str here."""
    if not isinstance(value, bytes | str):
        raise Refused("refused: a pickle with a key or name that is not text")
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


_NUMBER_TYPES = ("b1", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8")
_NOT_NUMBERS = "refused: a pickled array of something other than plain numbers"
_NDARRAY = object()  # for numpy.ndarray, which is only ever passed along


class _Dtype:
    """For numpy.dtype: a plain number type. Pickle completes it with its byte order."""

    def __init__(self, name: object, align: object = False, copy: object = True) -> None:
        self.name = _text(name)
        if self.name not in _NUMBER_TYPES:
            raise Refused(_NOT_NUMBERS)
        self.value = np.dtype(self.name)

    def complete(self, state: tuple) -> None:
        _, order, subtype, names, fields, *_ = state
        order = _text(order)
        if (subtype, names, fields) != (None, None, None) or order not in ("<", ">", "|", "="):
            raise Refused(_NOT_NUMBERS)
        self.value = np.dtype(order + self.name)


class _Array:
    """For numpy's _reconstruct: an empty array that pickle then completes with its contents."""

    value: np.ndarray

    def __init__(self, subtype: object, shape: object, typecode: object) -> None:
        if subtype is not _NDARRAY:
            raise Refused("refused: a pickled array of a foreign class")

    def complete(self, state: tuple) -> None:
        _, shape, dtype, fortran_order, contents = state
        self.value = _frombuffer(contents, dtype, shape, "F" if fortran_order else "C")


def _frombuffer(contents: object, dtype: object, shape: object, order: object) -> np.ndarray:
    """For numpy's _frombuffer of protocol 5: a view of ``contents``, never longer than the file itself."""
    if type(contents) is not bytes or type(dtype) is not _Dtype or order not in ("C", "F"):
        raise Refused(_NOT_NUMBERS)
    if type(shape) is not tuple or len(shape) > 4 or any(type(n) is not int or n < 0 for n in shape):
        raise Refused("refused: a pickled array with an impossible shape")
    return np.frombuffer(contents, dtype.value).reshape(shape, order=order)


def _encode(text: object, encoding: object) -> bytes:
    """For _codecs.encode, which is how Python 3 writes bytes into a protocol 2 pickle."""
    if type(text) is not str or encoding != "latin1":
        raise Refused("refused: a pickle that asks for a codec")
    return text.encode("latin1")


_ADMITTED: dict[tuple[str, str], Any] = {
    ("_codecs", "encode"): _encode,
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _Dtype,
    ("numpy.core.multiarray", "_reconstruct"): _Array,  # numpy 1
    ("numpy._core.multiarray", "_reconstruct"): _Array,  # numpy 2
    ("numpy.core.numeric", "_frombuffer"): _frombuffer,
    ("numpy._core.numeric", "_frombuffer"): _frombuffer,
}

# Every opcode the format needs, apart from those that are replaced below.
_OPCODES = (
    *(pickle.PROTO, pickle.STOP, pickle.MARK, pickle.REDUCE, pickle.GLOBAL, pickle.STACK_GLOBAL),
    *(pickle.NONE, pickle.NEWTRUE, pickle.NEWFALSE),
    *(pickle.BININT, pickle.BININT1, pickle.BININT2, pickle.LONG1),
    *(pickle.BINSTRING, pickle.SHORT_BINSTRING, pickle.BINBYTES, pickle.SHORT_BINBYTES, pickle.BINBYTES8),
    *(pickle.BINUNICODE, pickle.SHORT_BINUNICODE, pickle.BINUNICODE8),
    *(pickle.TUPLE, pickle.EMPTY_TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3),
    *(pickle.EMPTY_LIST, pickle.APPEND, pickle.APPENDS, pickle.EMPTY_DICT),
    *(pickle.BINPUT, pickle.LONG_BINPUT, pickle.MEMOIZE, pickle.BINGET, pickle.LONG_BINGET),
)


class _MeteredReader:
    """``file`` with a limit to the reads: one byte of pickle can ask for a hundred bytes of memory."""

    def __init__(self, file: IO[bytes]) -> None:
        self._read, self.readline, self._left = file.read, file.readline, READS_LIMIT

    def read(self, size: int) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise Refused("refused: a pickle with too many parts")
        return self._read(size)


class _Opcodes(dict):
    def __missing__(self, code: int) -> None:
        raise pickle.UnpicklingError(f"a pickle with the opcode {code:#04x}")


class _RestrictedUnpickler(pickle._Unpickler):
    """The unpickler written in Python: its opcodes can be taken away, and its memo is a dict.

    In the one in C a damaged memo index (4 bytes) allocates up to 32 GiB.
    """

    dispatch: ClassVar = _Opcodes({opcode[0]: pickle._Unpickler.dispatch[opcode[0]] for opcode in _OPCODES})

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ADMITTED[module, name]
        except KeyError:
            raise Refused(f"refused: its pickle asks for {f'{module}.{name}'[:80]!r}") from None

    def load_build(self) -> None:
        state = self.stack.pop()
        if type(self.stack[-1]) not in (_Array, _Dtype):  # for the rest, pickle would set attributes
            raise Refused("refused: a pickle that sets attributes")
        self.stack[-1].complete(state)

    def load_frame(self) -> None:
        self.read(8)  # a frame is a hint for buffering; without it every step is metered

    def load_bytearray(self) -> None:
        (size,) = struct.unpack("<Q", self.read(8))
        self.append(self.read(size))  # as bytes: a bytearray is allocated before there is anything to read

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        # Text keys only: to hash a tuple of tuples nested forty deep takes days.
        self.stack[-1].update({_text(key): value})

    def load_setitems(self) -> None:
        items = self.pop_mark()
        self.stack[-1].update({_text(key): value for key, value in zip(items[::2], items[1::2], strict=True)})

    dispatch |= {pickle.BUILD[0]: load_build, pickle.FRAME[0]: load_frame}
    dispatch |= {pickle.BYTEARRAY8[0]: load_bytearray}
    dispatch |= {pickle.SETITEM[0]: load_setitem, pickle.SETITEMS[0]: load_setitems}
