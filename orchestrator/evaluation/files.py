"""The files of an evaluation: a folder that appears complete or not at all, sealed with checksums."""

from __future__ import annotations

import glob
import json
import math
import re
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from equipose.balancing.shapley.report import ContributionReport
from equipose.pipelines.files.atomic import checksum, write_json
from equipose.pipelines.files.errors import DataError

FORMAT = 2


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """A new folder to write into, which replaces `folder` once the block ends without an error.

    A folder cannot be renamed onto another, so for an instant there is neither the old one nor the new, but
    never a mixture. A folder has one writer at a time; what a killed one has left is removed here.
    """
    for remains in folder.parent.glob(f".{glob.escape(folder.name)}.*"):
        if re.fullmatch(r"[0-9a-f]{32}\.(partial|old)", remains.name.removeprefix(f".{folder.name}.")):
            shutil.rmtree(remains, ignore_errors=True)
    partial = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.partial")
    partial.mkdir(parents=True)
    try:
        yield partial
        old = partial.with_suffix(".old")
        if folder.exists():
            folder.rename(old)
        partial.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def seal(content: dict[str, Any], folder: Path, name: str, *, files: Sequence[str]) -> None:
    """Write `content` as JSON with a checksum of itself and of each of `files`, which lie beside it."""
    sums = {file: checksum(folder / file) for file in files}
    content = {**content, "format": FORMAT, "files": sums}
    write_json(folder / name, {**content, "sha256": _digest(content)})


def unsealed(folder: Path, name: str) -> dict[str, Any]:
    """Inverse of `seal`. Raises DataError for the first file that is absent or changed."""
    path = _present(folder / name)
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise _damaged(path, str(error)) from error
    found = content.get("format") if isinstance(content, dict) else None
    if found != FORMAT:
        raise _damaged(path, f"format {found!r} instead of {FORMAT}")
    if content.pop("sha256", None) != _digest(content):
        raise _damaged(path, "another checksum")
    for file, expected in content["files"].items():
        if checksum(_present(folder / file)) != expected:
            raise _damaged(folder / file, "another checksum")
    return content


def plain_report(report: ContributionReport) -> dict[str, Any]:
    """A report as JSON values; tensors become {"tensor": nested lists}, NaN becomes None, which JSON has."""
    return {item.name: _plain(getattr(report, item.name)) for item in fields(report)}


def report_of(plain: dict[str, Any]) -> ContributionReport:
    """Inverse of `plain_report`, exact; tensors are float64."""
    values: dict[str, Any] = {
        name: _tensor(value) if isinstance(value, dict) else value for name, value in plain.items()
    }
    return ContributionReport(**{**values, "modalities": tuple(plain["modalities"])})


def _plain(value: Any) -> Any:
    if isinstance(value, Tensor):
        return {"tensor": _without_nan(value.tolist())}
    return list(value) if isinstance(value, tuple) else value


def _without_nan(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if math.isnan(value) else value


def _tensor(value: dict[str, Any]) -> Tensor:
    return torch.from_numpy(np.array(value["tensor"], dtype=np.float64))


def foreign(folder: Path, error: Exception) -> DataError:
    """The error for files that are intact but not those of an evaluation; libraries explain at length."""
    why = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return _damaged(folder, f"not that of an evaluation: {why}")


def _digest(content: dict[str, Any]) -> str:
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _present(path: Path) -> Path:
    if not path.is_file():
        raise DataError.about(path, field="file", value="absent", remedy="evaluate the model again")
    return path


def _damaged(path: Path, why: str) -> DataError:
    return DataError.about(path, field="content", value=f"damaged ({why})", remedy="evaluate the model again")
