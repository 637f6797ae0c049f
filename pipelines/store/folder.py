"""The folder of a store: reads and checksums its files, at a local path or a `pyarrow.fs` URI."""

from __future__ import annotations

import os
from typing import Any

import pyarrow as pa
from pyarrow import fs

from equipose.pipelines.files.atomic import checksum_of
from equipose.pipelines.files.bounded_json import parse_json
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.files.path_safety import contained

MAX_JSON_BYTES = 64 * 2**20


class StoreFolder:
    """The folder of a store to read from, local or remote; file names cannot leave it."""

    def __init__(self, path: str | os.PathLike[str], filesystem: fs.FileSystem | None = None) -> None:
        """`path`: a local path, any URI that `pyarrow.fs` knows, or a path inside `filesystem`."""
        self.path = os.fspath(path)
        self.given = filesystem
        if filesystem is None and "://" in self.path:
            filesystem, self._root = _from_uri(self.path)
        elif filesystem is None:
            filesystem, self._root = fs.LocalFileSystem(), os.path.abspath(self.path)
        else:
            self._root = self.path
        self._filesystem = filesystem

    @property
    def is_local(self) -> bool:
        """Whether files can be memory-mapped."""
        return isinstance(self._filesystem, fs.LocalFileSystem)

    def size(self, name: str) -> int | None:
        """Bytes of a file, or None where there is none."""
        info = self._filesystem.get_file_info(self._inside(name))
        return info.size if info.type == fs.FileType.File else None

    def exists(self, name: str = "") -> bool:
        """Whether there is a file or folder of that name; the folder itself without one."""
        path = self._inside(name) if name else self._root
        return self._filesystem.get_file_info(path).type != fs.FileType.NotFound

    def buffer(self, name: str) -> pa.Buffer:
        """A whole file: memory-mapped when local, read into memory when remote."""
        self._require_file(name)
        path = self._inside(name)
        if self.is_local:
            return pa.memory_map(path).read_buffer()
        with self._filesystem.open_input_file(path) as stream:
            return stream.read_buffer()

    def json(self, name: str) -> Any:
        """The content of a JSON file of at most `MAX_JSON_BYTES`; DataError when it is not JSON."""
        if self._require_file(name) > MAX_JSON_BYTES:
            raise DataError.about(
                file=f"{self.path}/{name}", field="size", value=f"above {MAX_JSON_BYTES} bytes",
                remedy="no store needs that much: prepare the store again",
            )  # fmt: skip
        with self._filesystem.open_input_file(self._inside(name)) as stream:
            content = stream.read(MAX_JSON_BYTES)
        try:
            return parse_json(content)
        except ValueError as error:
            raise DataError.about(
                file=f"{self.path}/{name}", field="JSON", value=error, remedy="prepare the store again"
            ) from error

    def checksum(self, name: str) -> dict[str, Any]:
        """`bytes` and `sha256` of a file."""
        with self._filesystem.open_input_stream(self._inside(name)) as stream:
            return checksum_of(stream)

    def require_inside(self, name: str) -> None:
        """Raise DataError for a name that is no file name, or a link that leads out of the folder."""
        path = self._inside(name)
        if self.is_local and not contained(path, self._root):
            raise DataError.about(
                file=path, field="link", value=f"to {os.path.realpath(path)}, outside the store",
                remedy="put the file itself there, or link the whole folder",
            )  # fmt: skip

    def _require_file(self, name: str) -> int:
        """Bytes of an ordinary file in the folder; DataError for anything else, such as a pipe."""
        self.require_inside(name)
        size = self.size(name)
        if size is None:
            raise DataError.about(
                file=f"{self.path}/{name}", field="file", value="absent, or not an ordinary file",
                remedy="the store is incomplete: copy it again, or prepare it again",
            )  # fmt: skip
        return size

    def _inside(self, name: str) -> str:
        """The path of a file directly in the folder; DataError for any other name."""
        if name in {"", ".", ".."} or "/" in name or "\\" in name or "\0" in name:
            raise DataError.about(
                file=self.path, field="a file name in the manifest", value=f"{name!r}, outside the store",
                remedy="it was tampered with: prepare the store again",
            )  # fmt: skip
        return f"{self._root}/{name}"


def _from_uri(uri: str) -> tuple[fs.FileSystem, str]:
    try:
        return fs.FileSystem.from_uri(uri)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError.about(
            file=uri, field="URI", value=error, remedy="give a local path or a URI such as s3://bucket/path"
        ) from error
