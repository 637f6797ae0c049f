"""Checks of a checkpoint file before torch unpacks it, and of its content before it is used.

`weights_only` keeps a checkpoint from running code. It does not keep a small file from filling the memory:
with compressed records, with the formats before torch 1.6, or with lists that hold one list many times.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from equipose.pipelines.files.errors import DataError

MAX_VALUES = 1_000_000
"""Plain values in a checkpoint besides its tensors, counted once per reference."""
MAX_DEPTH = 40

FIELDS: dict[str, tuple[type, ...]] = {
    "config": (dict,),
    "extra": (dict,),
    "epoch": (int,),
    "best_mpjpe_mm": (float, int),
    "best_epoch": (int,),
    "history": (list,),
    "model": (dict,),
    "optimizer": (dict,),
    "method": (dict,),
}
"""Fields that every state has, and their types."""


def check_container(path: Path) -> None:
    """Raise DataError unless this is a zip file as torch writes it: not compressed, no bytes used twice."""
    try:
        with path.open("rb") as file:
            start = file.read(4)
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, UnicodeError) as error:
        raise _damaged(path, error) from error
    if start != b"PK\3\4":
        raise _damaged(path, "it does not start like a file of torch")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise _damaged(path, "it is compressed, as Equipose never writes it")
    if sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise _damaged(path, "it declares more bytes than it has")
    _check_sums(path)


def _check_sums(path: Path) -> None:
    """Compare every record with its checksum, which torch writes but never verifies."""
    try:
        with zipfile.ZipFile(path) as archive:
            changed = archive.testzip()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError, EOFError) as error:
        raise _damaged(path, error) from error
    if changed is not None:
        raise _damaged(path, f"the checksum of {changed} does not match")


def check_state(state: Mapping[str, Any], path: Path) -> None:
    """Raise DataError unless all fields are there, with the right types and a bounded size."""
    for name, types in FIELDS.items():
        if not isinstance(state.get(name), types):
            raise _damaged(path, f"{name} is {type(state.get(name)).__name__}, expected {types[0].__name__}")
    if not all(isinstance(metrics, dict) for metrics in state["history"]) or state["epoch"] < 0:
        raise _damaged(path, "its history or epoch is invalid")
    _check_amount(state, path)


def _check_amount(state: Mapping[str, Any], path: Path) -> None:
    """Count values once per reference: what is shared in memory is written out once per use."""
    seen, level = 0, [state]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for item in level:
            children = item.values() if isinstance(item, Mapping) else item
            below += [child for child in children if isinstance(child, (Mapping, list, tuple, set))]
            if (seen := seen + len(children)) > MAX_VALUES:
                raise _damaged(path, f"it holds more than {MAX_VALUES} values")
        if not below:
            return
        level = below
    raise _damaged(path, f"it nests more than {MAX_DEPTH} levels")


def _damaged(path: Path, why: object) -> DataError:
    return DataError(f"{path}: the checkpoint is damaged ({why}); use an older one")
