"""Reads single files that may be broken, huge on paper, or not files at all, without raising.

Every function gives the array, or `(reason, detail)`; reasons are `equipose.pipelines.cleaning.REASONS`.
"""

from __future__ import annotations

import io
import math
import os
import tokenize
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipose.pipelines.files.bounded_read import MAX_FRAME_BYTES, Flaw, read_bytes
from equipose.pipelines.files.path_safety import contained
from equipose.pipelines.readers.mat5 import MatError, MatTruncatedError, load_array

MAX_FRAMES = 10_000
"""Longest sequence that is read, 17 minutes at 10 Hz; MM-Fi's have 297 frames. Every frame costs memory,
even one of which only the number exists."""

MAX_TEXT = 80
"""Characters of a hostile header that are repeated in a message."""

HEADER_ERRORS = (
    ValueError,
    TypeError,
    SyntaxError,
    tokenize.TokenError,
    EOFError,
    RecursionError,
    MemoryError,
    IndexError,
    KeyError,
    AttributeError,
    OverflowError,
)
"""What numpy raises for damaged .npy headers (found by flipping bytes)."""


def read_npy(path: Path, limit: int = MAX_FRAME_BYTES) -> NDArray[np.generic] | Flaw:
    """An array written by `numpy.save`; the declared shape must fit the bytes that are there."""
    content = read_bytes(path, limit)
    return content if isinstance(content, tuple) else parse_npy(content, str(path))


def parse_npy(content: bytes, name: str) -> NDArray[np.generic] | Flaw:
    """The array in the bytes of a .npy file; objects are never unpickled."""
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        header = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, fortran, dtype = header(file)
    except HEADER_ERRORS as error:
        return "unreadable", f"{name}: {type(error).__name__}"
    if dtype.hasobject or not dtype.itemsize:
        return "dtype", f"{name} holds {str(dtype)[:MAX_TEXT]}, expected real numbers"
    count, left = math.prod(shape), len(content) - file.tell()
    if min(shape, default=0) < 0 or count * dtype.itemsize > left:
        return (
            "truncated",
            f"{name} declares {str(shape)[:MAX_TEXT]} {str(dtype)[:MAX_TEXT]}; it has {left} bytes",
        )
    try:
        # A copy, so that a small array does not keep a large file in memory.
        flat = np.frombuffer(content, dtype, count, file.tell()).copy() if count else np.empty(0, dtype)
        return flat.reshape(shape, order="F" if fortran else "C")
    except ValueError:  # more dimensions than numpy has, or a length that no array can have
        return "shape", f"{name} declares {str(shape)[:MAX_TEXT]}"


def read_points(path: Path, columns: int) -> NDArray[np.generic] | Flaw:
    """Points [N, columns] stored as bare little-endian float64, as MM-Fi's LiDAR and radar frames are."""
    content = read_bytes(path)
    if isinstance(content, tuple):
        return content
    if len(content) % (8 * columns):
        return "truncated", f"{path} has {len(content)} bytes, not a multiple of {8 * columns}"
    return np.frombuffer(content, "<f8").reshape(-1, columns)


def read_csi(path: Path) -> NDArray[np.generic] | Flaw:
    """`CSIamp` of a MATLAB 5 file, as MM-Fi's WiFi frames are."""
    content = read_bytes(path)
    if isinstance(content, tuple):
        return content
    try:
        found = load_array(content, "CSIamp", limit=MAX_FRAME_BYTES)
    except MatTruncatedError as error:
        return "truncated", f"{path}: {error}"
    except MatError as error:
        return "unreadable", f"{path}: {error}"
    return ("missing", f"{path} has no variable CSIamp") if found is None else found


FRAME_READERS: dict[str, Callable[[Path], NDArray[np.generic] | Flaw]] = {
    "rgb": read_npy,
    "lidar": lambda path: read_points(path, 3),
    "mmwave": lambda path: read_points(path, 5),
    "wifi": read_csi,
}
"""modality -> reader of one frame's file."""


def link_leaves(entry: os.DirEntry[str], root: Path) -> bool:
    """Whether a directory entry is a symbolic link to somewhere outside the root."""
    return entry.is_symlink() and not contained(Path(entry.path), root)
