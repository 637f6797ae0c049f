"""A bounded reader of real numeric arrays in MATLAB 5 files, for input that may be damaged.

scipy's reader is the reference for well-formed files, but its compiled part can crash the interpreter
on damaged ones (seen with single flipped bytes in a CSI file), which no `except` can catch.
Format: MathWorks, "MAT-File Format", level 5.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HEADER_BYTES = 128
MATRIX, COMPRESSED = 14, 15
STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
"""Storage types of numbers; independent of the class of their array."""
CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
"""Numeric array classes; others (struct, char, sparse) are not read, cells by `load_cells`."""
CELL = 1
"""Class of cell arrays, which hold arrays; only `load_cells` reads them."""
COMPLEX_FLAG = 0x08
VERSION = 0x0100
MAX_ELEMENTS = 10_000
"""Most consecutive data elements; each costs time and memory, even an empty one."""
MAX_DIMENSIONS = 32
MAX_NAME = 63
"""Longest name that MATLAB allows."""


class MatError(ValueError):
    """The bytes are not a MATLAB 5 file."""


class MatTruncatedError(MatError):
    """The bytes end before what they declare."""


@dataclass(frozen=True)
class _Element:
    kind: int
    data: bytes


def _elements(data: bytes, order: str) -> Iterator[_Element]:
    """The data elements that follow one another in `data`; small ones keep their bytes in the tag."""
    at = count = 0
    while at + 8 <= len(data):
        if (count := count + 1) > MAX_ELEMENTS:
            raise MatError(f"holds more than {MAX_ELEMENTS} elements")
        kind, size = struct.unpack_from(order + "II", data, at)
        if kind >> 16:
            kind, size, start, step = kind & 0xFFFF, kind >> 16, at + 4, 8
        else:
            padding = 0 if kind == COMPRESSED else -size % 8
            start, step = at + 8, 8 + size + padding
        if start + size > len(data) or (step == 8 and size > 4 and start == at + 4):
            raise MatTruncatedError(f"an element declares {size} bytes, {len(data) - start} are left")
        yield _Element(kind, data[start : start + size])
        at += step
    if at < len(data):
        raise MatTruncatedError(f"{len(data) - at} bytes where an element should begin")


def _unfold(element: _Element, limit: int) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        data = unpacker.decompress(element.data, limit + 1)
    except zlib.error as error:
        raise MatError(str(error)) from None
    if len(data) > limit:
        raise MatError(f"unfolds to more than {limit} bytes that are left to it")
    return data


def _matrices(content: bytes, order: str, limit: int) -> Iterator[bytes]:
    left = limit
    for element in _elements(content[HEADER_BYTES:], order):
        if element.kind == COMPRESSED:
            unfolded = _unfold(element, left)
            left -= len(unfolded)
            for inner in _elements(unfolded, order):
                if inner.kind == MATRIX:
                    yield inner.data
        elif element.kind == MATRIX:
            yield element.data


def _byte_order(content: bytes) -> str:
    mark = content[126:128]
    if len(content) < HEADER_BYTES or mark not in (b"IM", b"MI") or content[:4] == b"\x00" * 4:
        raise MatError("no MATLAB 5 header")
    order = "<" if mark == b"IM" else ">"
    if (version := struct.unpack_from(order + "H", content, 124)[0]) != VERSION:
        raise MatError(f"format {version:#06x} is not MATLAB 5; MATLAB 7.3 files are saved anew with -v7")
    return order


def _array(parts: list[_Element], order: str) -> NDArray[np.generic]:
    flags = struct.unpack_from(order + "I", parts[0].data.ljust(4, b"\0"))[0]
    stored = STORED.get(parts[3].kind)
    if flags & 0xFF not in CLASSES or flags >> 8 & COMPLEX_FLAG or stored is None:
        return np.empty(0, np.dtype("O"))
    shape = [int(n) for n in np.frombuffer(parts[1].data[: len(parts[1].data) // 4 * 4], order + "i4")]
    values = np.frombuffer(
        parts[3].data[: len(parts[3].data) // int(stored[1]) * int(stored[1])], order + stored
    )
    if len(shape) > MAX_DIMENSIONS or min(shape, default=-1) < 0 or math.prod(shape) != len(values):
        raise MatError(f"the array declares {tuple(shape[:4])} and holds {len(values)} numbers")
    try:
        with np.errstate(invalid="ignore", over="ignore"):
            return values.astype(CLASSES[flags & 0xFF]).reshape(shape, order="F")
    except ValueError:  # no numbers, but lengths that no array can have
        raise MatError(f"the array declares {tuple(shape[:4])}") from None


def variable_names(content: bytes, *, limit: int) -> list[str]:
    """Names of all variables of a file that `load_array` can read."""
    order = _byte_order(content)
    found = (list(_elements(data, order)) for data in _matrices(content, order, limit))
    return [parts[2].data.decode("ascii", "replace")[:MAX_NAME] for parts in found if len(parts) >= 3]


def load_array(content: bytes, name: str, *, limit: int) -> NDArray[np.generic] | None:
    """The real numeric array called `name`; None without one; an empty object array for another class.

    Raises `MatTruncatedError` for a file that is cut anywhere, `MatError` for anything else that is not a
    MATLAB 5 file. `limit` bounds the unfolded bytes of the whole file.
    """
    order = _byte_order(content)
    found: NDArray[np.generic] | None = None
    for data in _matrices(content, order, limit):  # to the end, so that a cut is noticed
        parts = list(_elements(data, order))
        if found is None and len(parts) >= 3 and parts[2].data == name.encode():
            if len(parts) < 4:
                raise MatError(f"{name} has no values")
            found = _array(parts, order)
    return found


def load_cells(content: bytes, name: str, *, limit: int) -> list[NDArray[np.generic]] | None:
    """The arrays in the cell array called `name`, column by column; None without one.

    As `load_array`: an empty object array stands for a cell of another class. MatError where `name` is no
    cell array, and where it does not hold the cells that it declares.
    """
    order = _byte_order(content)
    found: list[NDArray[np.generic]] | None = None
    for data in _matrices(content, order, limit):  # to the end, so that a cut is noticed
        parts = list(_elements(data, order))
        if found is None and len(parts) >= 3 and parts[2].data == name.encode():
            found = _cells(parts, order, name)
    return found


def _cells(parts: list[_Element], order: str, name: str) -> list[NDArray[np.generic]]:
    if struct.unpack_from(order + "I", parts[0].data.ljust(4, b"\0"))[0] & 0xFF != CELL:
        raise MatError(f"{name} is no cell array")
    shape = np.frombuffer(parts[1].data[: len(parts[1].data) // 4 * 4], order + "i4").tolist()
    inside = [list(_elements(cell.data, order)) for cell in parts[3:] if cell.kind == MATRIX]
    if len(shape) > MAX_DIMENSIONS or min(shape, default=-1) < 0 or math.prod(shape) != len(inside):
        raise MatError(f"{name} declares {tuple(shape[:4])} cells and holds {len(inside)}")
    return [_array(cell, order) if len(cell) >= 4 else np.empty(0, np.dtype("O")) for cell in inside]
