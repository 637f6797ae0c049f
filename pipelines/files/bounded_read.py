"""Reads small files whole, up to a bound, with one kind of error for every file that cannot be read."""

from __future__ import annotations

from pathlib import Path


class UnreadableFileError(OSError):
    """A file could not be read whole; the message names it and says why."""


class MissingFileError(UnreadableFileError):
    """There is no such file."""


class EmptyFileError(UnreadableFileError):
    """The file has no bytes."""


def read_bytes(path: Path, limit: int) -> bytes:
    """The content of an ordinary, non-empty file of at most `limit` bytes; raises `UnreadableFileError`."""
    try:
        return _read_file(path, limit)
    except UnreadableFileError:
        raise
    except OSError as error:
        raise UnreadableFileError(f"{path}: {error.strerror or error}") from error


def _read_file(path: Path, limit: int) -> bytes:
    if not path.is_file():
        if path.exists():
            raise UnreadableFileError(f"{path} is not a file")
        raise MissingFileError(f"no {path}")
    size = path.stat().st_size
    if size > limit:
        raise UnreadableFileError(f"{path} has {size} bytes, at most {limit} are read")
    if not size:
        raise EmptyFileError(f"{path} has no bytes")
    return _read_at_most(path, limit)


def _read_at_most(path: Path, limit: int) -> bytes:
    """The content of a file that may have grown since its size was read."""
    with path.open("rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise UnreadableFileError(f"{path} grew beyond {limit} bytes")
    return content
