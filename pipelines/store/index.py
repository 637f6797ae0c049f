"""The tables beside the frames: one row per frame (`index`), one row per defect (`defects`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import pyarrow as pa

from equipose.pipelines.files.errors import DataError
from equipose.pipelines.sequence import SequenceKey
from equipose.pipelines.store.signals import StoredSignals

KEY_NAMES = SequenceKey._fields
CAMERA = "camera"
"""Column that is left out of the files of a store without cameras, as it was before there were any."""


def frame_columns(signals: StoredSignals) -> list[str]:
    """Columns of the frame table that the index repeats."""
    return ["number", *(f"valid_{name}" for name in signals.names)]


def index_frame(frames: pa.Table, about: Sequence[Mapping[str, Any]], signals: StoredSignals) -> pl.DataFrame:
    """The index of a frame table, in its order; `about` describes its sequences.

    Columns: `row`, `sequence`, `offset` in the sequence, `environment`, `subject`, `action`, `part`,
    `camera`, `number`, `valid_<signal>` for every sensor and the pose. Raises DataError when a
    (subject, action, camera, number) occurs twice.
    """
    counts = [entry["frames"] for entry in about]
    keys = [SequenceKey(*entry["key"]) for entry in about]
    names = {name: [getattr(key, name) for key in keys] for name in KEY_NAMES}
    sequences = pl.DataFrame({"sequence": range(len(about)), "offset": [range(n) for n in counts], **names})
    rows = sequences.explode("offset").with_row_index("row")
    columns = pl.DataFrame(frames.select(frame_columns(signals)))
    index = pl.concat([rows.cast({"row": pl.Int64}), columns], how="horizontal")
    _require_unique(index)
    return index


def _require_unique(index: pl.DataFrame) -> None:
    frame = ["subject", "action", "camera", "number"]
    doubled = index.filter(pl.struct(frame).is_duplicated()).sort(frame)
    if len(doubled):
        found = doubled.select(*KEY_NAMES, "number").head(2).rows()
        raise DataError.about(
            file="store", field="(subject, action, camera, number)",
            value=f"not unique: {found[0]} and {found[1]}",
            remedy="keep one of the two sequences, or number the frames of both consecutively",
        )  # fmt: skip


def defect_frame(about: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Every defect of every sequence: the sequence's key, `modality`, `frame`, `reason`, `detail`.

    `frame` is the frame number, null where the whole sequence is concerned.
    """
    rows = [
        {**SequenceKey(*entry["key"])._asdict(), **defect} for entry in about for defect in entry["defects"]
    ]
    return pl.DataFrame(rows, schema=defect_schema())


def index_schema(signals: StoredSignals) -> dict[str, Any]:
    """Columns of the index and their types."""
    numbers = dict.fromkeys(("row", "sequence", "offset"), pl.Int64)
    marks = dict.fromkeys(frame_columns(signals)[1:], pl.Boolean)
    return {**numbers, **dict.fromkeys(KEY_NAMES, pl.String), "number": pl.Int32, **marks}


def defect_schema() -> dict[str, Any]:
    """Columns of the table of defects and their types."""
    texts = dict.fromkeys(KEY_NAMES, pl.String)
    return {**texts, "modality": pl.String, "frame": pl.Int32, "reason": pl.String, "detail": pl.String}


def with_cameras(about: Sequence[Mapping[str, Any]]) -> bool:
    """Whether any of the described sequences names a camera."""
    return any(SequenceKey(*entry["key"]).camera for entry in about)


def as_written(table: pl.DataFrame, about: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """The index, or the defects, as in its file; `as_read` is the inverse."""
    return table if with_cameras(about) else table.drop(CAMERA)


def as_read(table: pl.DataFrame) -> pl.DataFrame:
    """The table with the column of cameras, empty where the file has none."""
    if CAMERA in table.columns:
        return table
    at = table.columns.index("part") + 1
    return table.insert_column(at, pl.repeat("", len(table), dtype=pl.String, eager=True).alias(CAMERA))


def in_file(columns: Mapping[str, Any], about: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Columns and types of the file of a table with these, in a store of the described sequences."""
    return {name: kind for name, kind in columns.items() if name != CAMERA or with_cameras(about)}
