"""Reads small files whole, never more than a bound, without raising."""

from __future__ import annotations

from pathlib import Path

Flaw = tuple[str, str]
"""(reason code, detail for people)."""

MAX_FRAME_BYTES = 8 * 2**20
"""A single frame's file is refused above this size, also unfolded; real ones stay below 1 MiB."""


def read_bytes(path: Path, limit: int = MAX_FRAME_BYTES) -> bytes | Flaw:
    """The content of an ordinary, non-empty file of at most `limit` bytes."""
    try:
        if not path.is_file():
            return ("unreadable", f"{path} is not a file") if path.exists() else ("missing", f"no {path}")
        size = path.stat().st_size
        if size > limit:
            return "unreadable", f"{path} has {size} bytes, at most {limit} are read"
        return _read_at_most(path, limit) if size else ("empty-file", f"{path} has no bytes")
    except OSError as error:
        return "unreadable", f"{path}: {error.strerror or error}"


def _read_at_most(path: Path, limit: int) -> bytes | Flaw:
    """The content of a file that may have grown since somebody asked for its size."""
    with path.open("rb") as file:
        content = file.read(limit + 1)
    return content if len(content) <= limit else ("unreadable", f"{path} grew beyond {limit} bytes")
