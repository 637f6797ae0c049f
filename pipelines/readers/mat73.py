"""Real numeric arrays in MATLAB 7.3 files, which are HDF5: read where `h5py` is installed.

Only what lies in the file itself is read: data that HDF5 would fetch from other files is refused. Sizes are
bounded before anything is allocated, also those that compressed chunks unfold to, which HDF5 does not bound.
"""

from __future__ import annotations

import io
import math
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipose.pipelines.readers.mat5 import MatError

SIGNATURE = b"\x89HDF\r\n\x1a\n"
OFFSET = 512
"""MATLAB writes its own header before the HDF5 content."""
MAX_CHUNKS = 10_000
DEFLATE, SHUFFLE, CHECKSUM = 1, 2, 3
"""HDF5's numbers of the filters that MATLAB writes; others are refused."""
CHECKSUM_BYTES = 4

WITHOUT = (
    "this is a MATLAB 7.3 file; install h5py (pip install 'equipose[matlab73]'), "
    "or save it anew with -v7 in MATLAB"
)


def is_mat73(content: bytes) -> bool:
    """Whether these are the bytes of a MATLAB 7.3 file."""
    return content[OFFSET : OFFSET + len(SIGNATURE)] == SIGNATURE


def load_array73(content: bytes, name: str, *, limit: int) -> tuple[NDArray[np.generic] | None, list[str]]:
    """The array called `name` in MATLAB's axis order, None without one, and the names of all variables.

    Like `mat5.load_array`, an empty object array stands for another class. Raises MatError for a file that
    cannot be read, or whose array has more than `limit` bytes, and where h5py is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise MatError(WITHOUT) from error
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            names = [key for key in file if not key.startswith("#")]
            if name not in names:
                return None, names
            if not isinstance(file.get(name, getlink=True), h5py.HardLink):
                raise MatError(f"{name} is a link to another place")
            return _array(file[name], name, limit), names
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise error if isinstance(error, MatError) else MatError(f"damaged HDF5 ({error})") from error


def _array(found: Any, name: str, limit: int) -> NDArray[np.generic]:
    if getattr(found, "dtype", None) is None or found.dtype.kind not in "fiu":
        return np.empty(0, np.dtype("O"))
    if found.external or found.is_virtual:
        raise MatError(f"{name} lies in another file")
    for shape in (found.shape or (), found.chunks or ()):
        if math.prod(shape) * found.dtype.itemsize > limit:
            raise MatError(f"{name} declares {tuple(shape[:4])} {found.dtype}, more than {limit} bytes")
    if found.chunks:
        _check_chunks(found, math.prod(found.chunks) * found.dtype.itemsize)
    return np.asarray(found[()]).T


def _check_chunks(found: Any, size: int) -> None:
    """Raise MatError for chunks that unfold to more bytes than they have numbers, and for odd filters."""
    plan = found.id.get_create_plist()
    filters = [plan.get_filter(i)[0] for i in range(plan.get_nfilters())]
    chunks = found.id.get_num_chunks()
    if not {*filters} <= {DEFLATE, SHUFFLE, CHECKSUM} or filters.count(DEFLATE) > 1 or chunks > MAX_CHUNKS:
        raise MatError(f"{chunks} chunks with HDF5 filters {filters}, which MATLAB does not write")
    for i in range(chunks if DEFLATE in filters else 0):
        packed = found.id.read_direct_chunk(found.id.get_chunk_info(i).chunk_offset)[1]
        try:
            unfolded = len(zlib.decompressobj().decompress(packed, size + CHECKSUM_BYTES + 1))
        except zlib.error as error:
            raise MatError(f"a damaged chunk ({error})") from error
        if unfolded > size + CHECKSUM_BYTES:
            raise MatError(f"a chunk unfolds to more than its {size} bytes")
