"""Pickled arrays, read without running what a pickle may ask for. The only file that reads pickles.

Public sets of poses come as pickles: of Python 2 or 3, bare or inside a .npz. A pickle is a program, so its
opcodes are checked against a list first, no global is imported but a few stand-ins for NumPy's, and arrays
are made here, from bytes that are there. What comes back is plain: dict, list, tuple, text, bytes, numbers,
arrays. Texts of Python 2 are read from its protocols 1 and 2 alone.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import re
from collections.abc import Callable
from typing import Any

import numpy as np

MAX_DEPTH = 32
"""Deepest nesting that is read; real files have 4."""
MAX_OPCODES = 2_000_000
"""Each costs time and memory."""
MAX_TEXT = 80
_OPCODES = frozenset({
    "PROTO", "FRAME", "STOP", "MARK", "POP", "POP_MARK", "DUP", "NONE", "NEWTRUE", "NEWFALSE", "INT",
    "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING",
    "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "EMPTY_LIST", "APPEND", "APPENDS", "LIST", "EMPTY_TUPLE",
    "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_DICT", "DICT", "SETITEM", "SETITEMS", "GET", "BINGET",
    "LONG_BINGET", "PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE", "GLOBAL", "STACK_GLOBAL", "REDUCE",
    "BUILD",
})  # fmt: skip
"""All but those that make instances of classes, ask for other files, or allocate what they declare."""
_DTYPE = re.compile(r"[biufSUO]\d{0,5}")
_DAMAGE = (
    *(pickle.UnpicklingError, EOFError, AttributeError, IndexError, KeyError, TypeError, ValueError),
    *(OverflowError, MemoryError, RecursionError, AssertionError, ImportError),
)


class PlainPickleError(ValueError):
    """Bytes that are no pickle of plain values and arrays."""


class _Made:
    """Base of what stands for NumPy's objects while a pickle is read."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        raise PlainPickleError(f"a state for {type(self).__name__}")


class _Global(_Made):
    """A name that may be called, or passed on."""

    __slots__ = ("make", "name")

    def __init__(self, name: str, make: Callable[..., Any]) -> None:
        self.name, self.make = name, make

    def __call__(self, *given: Any) -> Any:
        return self.make(*given)


class _Type(_Made):
    """A NumPy type: its code, and later its byte order."""

    __slots__ = ("code", "order")

    def __init__(self, code: str) -> None:
        if not isinstance(code, str) or not _DTYPE.fullmatch(code):
            raise PlainPickleError(f"an array of type {str(code)[:MAX_TEXT]!r}")
        self.code, self.order = code, "|"

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) < 2 or state[1] not in ("<", ">", "|", "="):
            raise PlainPickleError(f"a type with the state {str(state)[:MAX_TEXT]}")
        self.order = state[1]

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.code if self.order == "|" else self.order + self.code)


class _Array(_Made):
    """An array, once its state has been given."""

    __slots__ = ("items", "value")

    def __init__(self) -> None:
        self.value: np.ndarray | None = None
        self.items: list[Any] | None = None

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5 or not isinstance(state[2], _Type):
            raise PlainPickleError("an array with a foreign state")
        _, shape, kind, fortran, raw = state
        self.fill(shape, kind, raw, bool(fortran))

    def fill(self, shape: Any, kind: _Type, raw: Any, fortran: bool) -> None:
        """Take the numbers out of bytes; they must be exactly as many as the shape says."""
        sizes = shape if isinstance(shape, tuple) else (shape,)
        if len(sizes) > 32 or not all(type(n) is int and n >= 0 for n in sizes):
            raise PlainPickleError(f"an array of shape {str(shape)[:MAX_TEXT]}")
        count, dtype = math.prod(sizes), kind.dtype
        raw = raw.encode("latin1") if isinstance(raw, str) else raw
        held = len(raw) if isinstance(raw, (bytes, list)) else -1
        if (
            held != (count if dtype.hasobject else count * dtype.itemsize)
            or isinstance(raw, list) != dtype.hasobject
        ):
            raise PlainPickleError(f"an array declares {sizes[:4]} {dtype} and holds {held} bytes or objects")
        if dtype.hasobject:
            self.items, self.value = raw, np.empty(sizes, object)
        else:
            flat = np.frombuffer(raw, dtype) if count else np.empty(0, dtype)
            self.value = flat.reshape(sizes, order="F" if fortran else "C")


def _reconstruct(kind: Any, shape: Any, code: Any) -> _Array:
    if not isinstance(kind, _Global) or kind.name != "ndarray" or shape != (0,):
        raise PlainPickleError(f"an array that begins with shape {str(shape)[:MAX_TEXT]}")
    return _Array()


def _scalar(kind: Any, raw: Any = b"") -> _Array:
    if not isinstance(kind, _Type):
        raise PlainPickleError("a number of a foreign type")
    made = _Array()
    made.fill((), kind, raw, False)
    return made


def _encode(text: Any, codec: Any = "") -> bytes:
    if not isinstance(text, str) or codec not in ("latin1", "latin-1"):
        raise PlainPickleError(f"a text in {str(codec)[:MAX_TEXT]!r}")
    return text.encode("latin1")


def _empty(*given: Any) -> bytes:
    if given:
        raise PlainPickleError("bytes that are made of something")
    return b""


def _never(*given: Any) -> Any:
    raise PlainPickleError("an array made by its class")


_CORES = ("numpy.core.multiarray", "numpy._core.multiarray")
_GLOBALS: dict[tuple[str, str], _Global] = {
    ("numpy", "ndarray"): _Global("ndarray", _never),
    ("numpy", "dtype"): _Global("dtype", lambda code="", *_: _Type(code)),
    ("__builtin__", "bytes"): _Global("bytes", _empty),
    ("_codecs", "encode"): _Global("encode", _encode),
    **{(core, "_reconstruct"): _Global("_reconstruct", _reconstruct) for core in _CORES},
    **{(core, "scalar"): _Global("scalar", _scalar) for core in _CORES},
}


class _Reader(pickle.Unpickler):
    """Finds the stand-ins and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """The stand-in of a global."""
        if (module, name) not in _GLOBALS:
            raise PlainPickleError(f"it asks for {module[:MAX_TEXT]}.{name[:MAX_TEXT]}; only arrays are read")
        return _GLOBALS[module, name]


def load_plain(content: bytes) -> Any:
    """The plain values and arrays in the bytes of a pickle; PlainPickleError for anything else.

    Arrays are read-only. What is made is at most a few times as large as the bytes.
    """
    try:
        _check_opcodes(content)
        return _plain(_Reader(io.BytesIO(content), encoding="latin1").load(), {}, 0)
    except PlainPickleError:
        raise
    except _DAMAGE as error:
        text = f"{type(error).__name__}: {error}"[:MAX_TEXT]
        raise PlainPickleError(f"not a pickle, or a damaged one ({text})") from error


def _check_opcodes(content: bytes) -> None:
    """Refuse opcodes that are not on the list, and places in the memo that no writer would use."""
    for count, (opcode, argument, _) in enumerate(pickletools.genops(content), 1):
        if count > MAX_OPCODES:
            raise PlainPickleError(f"it has more than {MAX_OPCODES} opcodes")
        if opcode.name not in _OPCODES:
            raise PlainPickleError(f"it has the opcode {opcode.name}")
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and not 0 <= int(argument or 0) <= count:
            raise PlainPickleError(f"it remembers an object at place {argument}")


def _plain(value: Any, seen: dict[int, Any], depth: int) -> Any:
    """The value with arrays in place of what stands for them; what occurs twice stays one object."""
    if depth > MAX_DEPTH:
        raise PlainPickleError(f"nested more than {MAX_DEPTH} deep")
    if id(value) in seen:
        if seen[id(value)] is _PENDING:
            raise PlainPickleError("something that contains itself")
        return seen[id(value)]
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        return value
    seen[id(value)] = _PENDING
    if isinstance(value, dict):
        made: Any = {_plain(k, seen, depth + 1): _plain(v, seen, depth + 1) for k, v in value.items()}
    elif isinstance(value, (list, tuple)):
        made = type(value)(_plain(v, seen, depth + 1) for v in value)
    elif isinstance(value, _Array) and value.value is not None:
        made = _filled(value, seen, depth)
    else:
        raise PlainPickleError(f"it holds {type(value).__name__.strip('_').lower()}s, which are no values")
    seen[id(value)] = made
    return made


def _filled(array: _Array, seen: dict[int, Any], depth: int) -> Any:
    assert array.value is not None
    if array.items is None:
        return array.value
    flat = array.value.reshape(-1)
    for i, item in enumerate(array.items):
        flat[i] = _plain(item, seen, depth + 1)
    return array.value


_PENDING = object()
