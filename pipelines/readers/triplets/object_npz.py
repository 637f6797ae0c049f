"""Arrays of a .npz file, pickled ones included, with sizes bounded before anything is unfolded."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from equipose.pipelines.files.errors import DataError
from equipose.pipelines.readers.frame_files import HEADER_ERRORS, parse_npy
from equipose.pipelines.readers.triplets.plain_pickle import PlainPickleError, load_plain
from equipose.pipelines.sequence import BadFrame

MAX_BYTES = 2 * 2**30
"""Of one unfolded array; Human3.6M's poses have about 200 MB."""
AGAIN = "copy or download the file again"


def read_npz(path: Path, names: Iterable[str]) -> dict[str, Any]:
    """name -> array, or for pickled objects the plain value; absent names are left out.

    DataError for a file that is none, is damaged, or asks for more than plain values.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            there = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            return {name: _member(archive, there[name], f"{path}: {name}") for name in names if name in there}
    except (OSError, zipfile.BadZipFile, NotImplementedError, EOFError, zlib.error, RuntimeError) as error:
        text = str(error).splitlines()[0][:80] if str(error) else type(error).__name__
        raise DataError.about(path, field="file", value=f"unreadable ({text})", remedy=AGAIN) from error


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, where: str) -> Any:
    if info.file_size > MAX_BYTES:
        raise _bad(where, "size", f"{info.file_size} bytes, at most {MAX_BYTES} are read")
    with archive.open(info) as file:
        content = file.read(info.file_size + 1)
    if len(content) != info.file_size:
        raise _bad(where, "size", f"not the {info.file_size} bytes declared")
    try:
        start = _objects_after(content)
        if start is None:
            return parse_npy(content, where)
        found = load_plain(content[start:])
    except BadFrame as bad:
        raise _bad(where, "array", f"{bad.reason} ({bad.detail[:80]})") from bad
    except PlainPickleError as error:
        raise _bad(where, "objects", f"refused: {error}") from error
    return found.item() if isinstance(found, np.ndarray) and found.shape == () else found


def _bad(where: str, field: str, value: str) -> DataError:
    return DataError.about(where, field=field, value=value, remedy=AGAIN)


def _objects_after(content: bytes) -> int | None:
    """Where the pickle of a .npy file of objects begins; None for numbers, and for what is no .npy file."""
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        read = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        _, _, dtype = read(file)
    except HEADER_ERRORS:
        return None
    return file.tell() if dtype.hasobject else None


def kept_npz(path: Path, *names: str) -> dict[str, Any]:
    """As `read_npz`, kept until the file changes: every sequence of a reader comes from one file."""
    try:
        about = path.stat()
    except OSError as error:
        raise DataError.about(path, field="file", value="missing", remedy="put it there") from error
    return _kept(path, about.st_mtime_ns, about.st_size, names)


@lru_cache(maxsize=4)
def _kept(path: Path, changed: int, size: int, names: tuple[str, ...]) -> dict[str, Any]:
    return read_npz(path, names)
