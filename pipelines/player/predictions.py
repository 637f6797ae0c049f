"""Poses that `equipose predict` has written, read back for looking at them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from equipose.models.skeleton import NUM_JOINTS
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.sequence import SequenceKey

NAMES: tuple[str, ...] = ("environment", "subject", "action")
POSE = pl.Array(pl.Float32, (NUM_JOINTS, 3))
CAMERA = "camera"
"""Column that files of stores with several cameras have besides."""
COLUMNS: Mapping[str, Any] = {**dict.fromkeys(NAMES, pl.String), "number": pl.Int32, "pose": POSE}
MOST_ROWS = 2**21
_AGAIN = "give a file that `equipose predict` wrote for frames of a store"


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Poses by frame."""

    path: Path
    table: pl.DataFrame
    """`COLUMNS` and `CAMERA`, empty where a store has one view, a row per frame."""
    about: Mapping[str, str]
    """What the file says of itself, such as `store` and `provenance`."""

    @property
    def sequences(self) -> set[tuple[str, ...]]:
        """(environment, subject, action, camera) of the frames."""
        return set(self.table.select(*NAMES, CAMERA).unique().rows())

    @property
    def around_pelvis(self) -> bool:
        """Whether poses are relative to the pelvis, not to the sensor."""
        return self.about.get("origin") == "pelvis"

    def poses(self, key: SequenceKey, numbers: NDArray[np.integer]) -> NDArray[np.float32]:
        """[F, 17, 3] m for the frames of one sequence; NaN where a frame was not predicted."""
        mine = self.table.filter(*(pl.col(name) == getattr(key, name) for name in (*NAMES, CAMERA)))
        poses = np.full((len(numbers), NUM_JOINTS, 3), np.nan, dtype=np.float32)
        wanted = pl.DataFrame({"number": numbers.astype(np.int32), "place": np.arange(len(numbers))})
        found = mine.join(wanted, on="number", how="inner")
        poses[found["place"].to_numpy()] = found["pose"].to_numpy().reshape(-1, NUM_JOINTS, 3)
        return poses


def read_predictions(path: Path) -> Predictions:
    """The poses in a file; DataError where it is not one that `equipose predict` wrote."""
    if not path.is_file():
        raise DataError.about(path, field="file", value="not there", remedy=_AGAIN)
    try:
        with pq.ParquetFile(path) as file:
            columns, rows = set(file.schema_arrow.names), file.metadata.num_rows
            about = (file.schema_arrow.metadata or {}).get(b"equipose", b"{}")
            if missing := [name for name in COLUMNS if name not in columns]:
                raise DataError.about(path, field="columns", value=f"without {missing}", remedy=_AGAIN)
            if rows > MOST_ROWS:
                raise DataError.about(
                    path, field="rows", value=f"{rows:,}, over {MOST_ROWS:,}", remedy=_AGAIN
                )
            several = [CAMERA] if CAMERA in columns else []
            table = pl.DataFrame(file.read(columns=[*COLUMNS, *several]))
    except (pa.ArrowException, pl.exceptions.PolarsError) as error:
        raise DataError.about(path, field="format", value=f"unreadable ({error})", remedy=_AGAIN) from error
    if not several:
        table = table.with_columns(pl.lit("").alias(CAMERA))
    if dict(table.schema) != {**COLUMNS, CAMERA: pl.String}:
        raise DataError.about(path, field="columns", value=f"{dict(table.schema)}", remedy=_AGAIN)
    return Predictions(path=path, table=table, about=_facts(about))


def _facts(content: bytes) -> dict[str, str]:
    try:
        plain = json.loads(content)
    except ValueError:
        return {}
    return {name: value for name, value in plain.items() if isinstance(value, str)} if plain else {}
