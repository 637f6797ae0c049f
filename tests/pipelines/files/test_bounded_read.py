"""A bounded read gives the whole content, or an error that names the file and the cause."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from equipose.pipelines.files import bounded_read
from equipose.pipelines.files.bounded_read import (
    EmptyFileError,
    MissingFileError,
    UnreadableFileError,
    read_bytes,
)


def test_a_file_of_exactly_the_limit_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(50))
    assert read_bytes(tmp_path / "file", 50) == bytes(50)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda path: None, MissingFileError, "no {}"),
        (lambda path: path.touch(), EmptyFileError, "{} has no bytes"),
        (lambda path: path.mkdir(), UnreadableFileError, "{} is not a file"),
        (os.mkfifo, UnreadableFileError, "{} is not a file"),
        (
            lambda path: path.write_bytes(bytes(51)),
            UnreadableFileError,
            "{} has 51 bytes, at most 50 are read",
        ),
    ],
    ids=["missing", "empty", "folder", "pipe", "large"],
)
def test_other_files_raise_with_their_name(
    tmp_path: Path, make: Callable[[Path], object], error: type[Exception], message: str
) -> None:
    path = tmp_path / "file"
    make(path)
    with pytest.raises(UnreadableFileError) as caught:
        read_bytes(path, 50)
    assert type(caught.value) is error
    assert str(caught.value) == message.format(path)


def test_a_failing_disk_raises_the_same_kind_of_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    path = tmp_path / "file"
    path.write_bytes(b"x")
    monkeypatch.setattr(bounded_read, "_read_at_most", fail)
    with pytest.raises(UnreadableFileError, match=r"file: Input/output error$"):
        read_bytes(path, 50)


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(50))
    with pytest.raises(UnreadableFileError) as caught:
        bounded_read._read_at_most(path, 40)
    assert str(caught.value) == f"{path} grew beyond 40 bytes"
