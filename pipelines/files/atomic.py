"""Atomic writes, and checksums."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[BinaryIO]:
    """Write a file that appears complete or not at all, also after a crash or a power cut.

    The temporary name is unique, so several processes may write into one folder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def remove_leftovers(path: Path) -> None:
    """Remove temporary files that killed writers of `path` have left; the caller is its only writer."""
    for temporary in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        temporary.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write JSON atomically."""
    with atomic(path) as stream:
        stream.write(json.dumps(content, indent=1, sort_keys=True).encode())


def checksum(path: Path) -> dict[str, Any]:
    """`bytes` and `sha256` of a local file."""
    with path.open("rb") as stream:
        return checksum_of(stream)


def checksum_of(stream: Any) -> dict[str, Any]:
    """`bytes` and `sha256` of everything that is left to read from a binary stream."""
    digest, count = hashlib.sha256(), 0
    while chunk := stream.read(_CHUNK):
        digest.update(chunk)
        count += len(chunk)
    return {"bytes": count, "sha256": digest.hexdigest()}


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut, where the system lets folders be opened."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


_CHUNK = 1 << 22
