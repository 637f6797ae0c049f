"""Every value that a results folder holds, under labels that two checkouts share, as exact text.

Left out by name: times, memory, throughput, dates, paths and identifiers.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import re
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

Values = dict[str, dict[str, str]]
"""Kind of value -> label -> the value as text; floats so that equal text means equal bits."""

LEFT_OUT = re.compile(
    r"(^|/)time/|memory|epoch_s\b|s/epoch|per epoch|% of time|[Ss]hapley[_ ]share|^(link|sha256|files)$"
)
"""Names of values that differ between two runs of one and the same code."""
SKIPPED = {"stores", "artifacts", "figures", "spool", "tune", ".tracking", "elsewhere"}
"""Folders without values of their own: data under a fingerprint, copies, pictures, what tools keep."""
LINK = re.compile(r"\]\(http[^)]*\)|\\href\{[^}]*\}")
WORDING = re.compile(r"^text$|, (note|source)$")
"""Cells of tables, and what stands around them, that are prose; they differ when a sentence is mended."""
KEY = re.compile(r"[0-9a-f]{16}")
CHECKPOINT, RESULT = "state.pt", "result.json"
STATE = {"model": "weights", "history": "metrics", "config": "settings", "extra": "settings"}
"""Part of a checkpoint -> kind; the others are the state of optimiser and method."""


def collected(out: Path, wanted: re.Pattern[str]) -> Values:
    """All values of a results folder whose label has a match of `wanted`."""
    names = _kept_names(out)
    found: Values = defaultdict(dict)
    for kind, label, value in _values(out, names):
        if wanted.search(label):
            found[kind][label] = value.replace(str(out), "OUT")
    return dict(found)


def _values(out: Path, names: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """(kind, label, value) of every file that holds values."""
    for path in sorted(out.rglob("*")):
        parts = path.relative_to(out).parts
        if SKIPPED.intersection(parts):
            continue
        read = READERS.get(path.name) or READERS.get(path.suffix)
        if path.name == CHECKPOINT:
            yield from _checkpoint(path, _shown(parts[-3:-2], names))
        elif read:
            kind, reader = read
            for label, value in reader(path):
                worded = kind == "tables" and WORDING.search(label)
                yield "wording" if worded else kind, f"{_shown(parts, names)}: {label}", value
        elif path.is_dir() and KEY.fullmatch(path.name):
            yield "content keys", _shown(parts, names), path.name
    yield from _tracked(out)


def _shown(parts: Sequence[str], names: Mapping[str, str]) -> str:
    """A place in a results folder; what lies under a content key, by the name of the kept run instead."""
    first = next((number for number, part in enumerate(parts) if KEY.fullmatch(part)), 0)
    return "/".join(names.get(part, "key" if KEY.fullmatch(part) else part) for part in parts[first:])


def _kept_names(out: Path) -> dict[str, str]:
    """Content key of every kept run -> what MLflow calls it."""
    keys = {path.parent.name for path in out.rglob(RESULT)}
    names: dict[str, set[str]] = defaultdict(set)
    query = "SELECT t.value, r.name FROM tags t JOIN runs r USING (run_uuid)"
    for value, name in _rows(out, query):
        if value in keys:
            names[value].add(name)
    return {key: " = ".join(sorted(found)) for key, found in names.items()}


def flat(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """(label, exact text) of every leaf of nested dicts and lists; tensors are type, shape, SHA-256."""
    if isinstance(value, (Mapping, list, tuple)):
        items = value.items() if isinstance(value, Mapping) else enumerate(value)
        for name, item in items:
            if not LEFT_OUT.search(str(name)):
                yield from flat(item, f"{prefix}/{name}" if prefix else str(name))
    elif isinstance(value, torch.Tensor):
        array = value.detach().contiguous()
        yield prefix, f"{array.dtype} {list(array.shape)} {_sha(array.numpy().tobytes())}"
    else:
        yield prefix, repr(value)


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _checkpoint(path: Path, run: str) -> Iterator[tuple[str, str, str]]:
    state = torch.load(path, map_location="cpu", weights_only=True)
    by_time = path.parent.name.startswith(("checkpoint", "epoch"))
    which = f"epoch {state['epoch']}" if by_time else path.parent.name
    for name, content in state.items():
        for label, value in flat(content, name):
            yield STATE.get(name, "state"), f"{run}/{which}/{label}", value


def _json(path: Path) -> Iterator[tuple[str, str]]:
    return flat(json.loads(path.read_text()))


def _array(path: Path) -> Iterator[tuple[str, str]]:
    array = np.load(path, allow_pickle=False)
    yield "array", f"{array.dtype} {list(array.shape)} {_sha(array.tobytes())}"


def _parquet(path: Path) -> Iterator[tuple[str, str]]:
    for column in pl.read_parquet(path):
        yield column.name, f"{column.dtype} [{len(column)}] {_sha(repr(column.to_list()).encode())}"


def _csv(path: Path) -> Iterator[tuple[str, str]]:
    return _cells(list(csv.reader(io.StringIO(path.read_text()))))


def _text_table(path: Path) -> Iterator[tuple[str, str]]:
    """The cells of a Markdown or LaTeX table, and the lines around it."""
    separator = {".md": "|", ".tex": "&"}[path.suffix]
    lines = LINK.sub("", path.read_text()).splitlines()
    yield from (("text", line) for line in [" / ".join(x for x in lines if separator not in x)])
    yield from _cells([line.split(separator) for line in lines if separator in line])


def _cells(rows: list[list[str]]) -> Iterator[tuple[str, str]]:
    """(row and column, text) without columns and rows of times; the first row names the columns."""
    head = rows[0] if rows else []
    for number, row in enumerate(rows):
        if number and any(LEFT_OUT.search(cell) for cell in row):
            continue
        for name, cell in zip(head, row, strict=False):
            if not LEFT_OUT.search(name.strip()):
                yield f"row {number}, {name.strip()}", cell


def _tracked(out: Path) -> Iterator[tuple[str, str, str]]:
    """Metrics and parameters in MLflow's database."""
    points = "SELECT r.name, m.key, m.step, m.value, m.is_nan FROM metrics m JOIN runs r USING (run_uuid)"
    found: dict[str, set[str]] = defaultdict(set)
    for run, key, step, value, is_nan in _rows(out, points):
        if not LEFT_OUT.search(key):
            found[f"{run}/{key} at {step}"].add("nan" if is_nan else repr(value))
    yield from (("tracked metrics", label, " or ".join(sorted(values))) for label, values in found.items())
    for run, key, value in _rows(
        out, "SELECT r.name, p.key, p.value FROM params p JOIN runs r USING (run_uuid)"
    ):
        yield "tracked settings", f"{run}/{key}", value


def _rows(out: Path, query: str) -> list[tuple[Any, ...]]:
    """Of the MLflow database in a results folder; none where there is no database yet, or it is busy."""
    if not (out / "mlflow.db").exists():
        return []
    with contextlib.closing(sqlite3.connect(f"file:{out / 'mlflow.db'}?mode=ro", uri=True)) as database:
        return database.execute(query).fetchall()


def ended_runs(out: Path) -> set[str]:
    """Names of the runs that MLflow calls finished; none while its database is busy."""
    try:
        return {name for (name,) in _rows(out, "SELECT name FROM runs WHERE status = 'FINISHED'")}
    except sqlite3.OperationalError:
        return set()


READERS: dict[str, tuple[str, Callable[[Path], Iterator[tuple[str, str]]]]] = {
    "keys.json": ("content keys", _json),
    RESULT: ("kept results", _json),
    "report.json": ("test part", _json),
    "job.json": ("outcomes", _json),
    "outcome.json": ("outcomes", _json),
    ".npy": ("test part", _array),
    ".parquet": ("test part", _parquet),
    ".csv": ("tables", _csv),
    ".md": ("tables", _text_table),
    ".tex": ("tables", _text_table),
}
"""File name or ending -> kind of its values, and how to read them."""
