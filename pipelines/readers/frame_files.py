"""Reads the files of single frames, which may be broken, declare absurd sizes, or not be files at all.

Every function returns the array as stored, or raises `BadFrame` with the reason.
"""

from __future__ import annotations

import io
import math
import tokenize
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipose.pipelines.files.bounded_read import (
    EmptyFileError,
    MissingFileError,
    UnreadableFileError,
    read_bytes,
)
from equipose.pipelines.images import PictureError, decode_any
from equipose.pipelines.readers.mat5 import MatError, MatTruncatedError, load_array, variable_names
from equipose.pipelines.readers.mat73 import is_mat73, load_array73
from equipose.pipelines.sequence import BadFrame

MAX_FRAME_BYTES = 8 * 2**20
"""Largest file of a single frame that is read, before and after decompression; real ones are below 1 MiB."""

MAX_FRAMES = 10_000
"""Longest sequence that is read, 17 minutes at 10 Hz; MM-Fi's have 297 frames. Every frame costs memory,
even one that exists only as a number."""

CSI_NAME = "CSIamp"
"""Variable of the CSI amplitude in MM-Fi's MATLAB files."""

MAX_TEXT = 80
"""Characters of a hostile header that a message repeats."""

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
"""What numpy raises for damaged .npy headers, found by flipping bytes."""


def read_content(path: Path) -> bytes:
    """The content of a file of at most `MAX_FRAME_BYTES`; `BadFrame` for a file that cannot be read."""
    try:
        return read_bytes(path, MAX_FRAME_BYTES)
    except MissingFileError as error:
        raise BadFrame("missing", str(error)) from error
    except EmptyFileError as error:
        raise BadFrame("empty-file", str(error)) from error
    except UnreadableFileError as error:
        raise BadFrame("unreadable", str(error)) from error


def read_npy(path: Path) -> NDArray[np.generic]:
    """An array written by `numpy.save`."""
    return parse_npy(read_content(path), str(path))


def parse_npy(content: bytes, name: str) -> NDArray[np.generic]:
    """The array in the bytes of a .npy file, if they hold the declared shape; objects are never unpickled."""
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        header = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, fortran, dtype = header(file)
    except HEADER_ERRORS as error:
        raise BadFrame("unreadable", f"{name}: {type(error).__name__}") from error
    if dtype.hasobject or not dtype.itemsize:
        raise BadFrame("dtype", f"{name} holds {str(dtype)[:MAX_TEXT]}, expected real numbers")
    count, left = math.prod(shape), len(content) - file.tell()
    if min(shape, default=0) < 0 or count * dtype.itemsize > left:
        declared = f"{str(shape)[:MAX_TEXT]} {str(dtype)[:MAX_TEXT]}"
        raise BadFrame("truncated", f"{name} declares {declared}; it has {left} bytes")
    try:
        # A copy, so that a small array does not keep a large file in memory.
        flat = np.frombuffer(content, dtype, count, file.tell()).copy() if count else np.empty(0, dtype)
        return flat.reshape(shape, order="F" if fortran else "C")
    except ValueError as error:  # more dimensions than numpy has, or a length that no array can have
        raise BadFrame("shape", f"{name} declares {str(shape)[:MAX_TEXT]}") from error


def read_poses(path: Path) -> NDArray[np.generic]:
    """The poses [F, ...] of a sequence, of any shape within a frame."""
    poses = read_npy(path)
    if poses.ndim != 3 or not poses.size:
        raise BadFrame("shape", f"{path} is {poses.shape}, expected (F, 17, 3)")
    if len(poses) > MAX_FRAMES:
        raise BadFrame("shape", f"{path} declares {len(poses)} frames, at most {MAX_FRAMES} are read")
    return poses


def read_points(path: Path, columns: int) -> NDArray[np.generic]:
    """Points [N, columns] stored as bare little-endian float64, as MM-Fi's LiDAR and radar frames are."""
    content = read_content(path)
    if len(content) % (8 * columns):
        raise BadFrame("truncated", f"{path} has {len(content)} bytes, not a multiple of {8 * columns}")
    return np.frombuffer(content, "<f8").reshape(-1, columns)


def read_csi(path: Path) -> NDArray[np.generic]:
    """`CSIamp` of a MATLAB 5 file, as MM-Fi's WiFi frames are, or of a MATLAB 7.3 file."""
    content = read_content(path)
    try:
        if is_mat73(content):
            found, names = load_array73(content, CSI_NAME, limit=MAX_FRAME_BYTES)
        else:
            found = load_array(content, CSI_NAME, limit=MAX_FRAME_BYTES)
            names = [] if found is not None else variable_names(content, limit=MAX_FRAME_BYTES)
    except MatTruncatedError as error:
        raise BadFrame("truncated", f"{path}: {error}") from error
    except MatError as error:
        raise BadFrame("unreadable", f"{path}: {error}") from error
    if found is None:
        listed = ", ".join(names[:5]) or "nothing"
        raise BadFrame("missing", f"{path} has no variable {CSI_NAME}, it holds {listed}")
    return found


def read_picture(path: Path) -> NDArray[np.generic]:
    """A PNG picture, as MM-Fi's depth frames are."""
    try:
        return decode_any(read_content(path))
    except PictureError as error:
        raise BadFrame("unreadable", f"{path}: {error}") from error


FRAME_READERS: dict[str, Callable[[Path], NDArray[np.generic]]] = {
    "rgb": read_npy,
    "lidar": lambda path: read_points(path, 3),
    "mmwave": lambda path: read_points(path, 5),
    "wifi": read_csi,
    "infra1": read_npy,
    "infra2": read_npy,
    "depth": read_picture,
}
"""sensor -> reader of one frame's file."""
