"""The CSV files of MARS: one Kinect table and, for most subjects, one radar table per time part."""

from __future__ import annotations

import csv
import io
import itertools
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from equipose.pipelines.files.bounded_read import UnreadableFileError, read_bytes
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.readers.frame_files import MAX_FRAMES
from equipose.pipelines.readers.kinect import KINECT_JOINTS, to_joints, to_pose, to_sensor_frame
from equipose.pipelines.readers.movements import Cuts, find_cuts

KINECT_COLUMNS: tuple[str, ...] = tuple(f"{joint}_{axis}" for axis in "XYZ" for joint in KINECT_JOINTS)
RADAR_COLUMNS: tuple[str, ...] = ("Frame #", "# Obj", "X", "Y", "Z", "Doppler", "Intensity", "Abs Time")
"""`# Obj` counts points before outliers were removed, so it does not mark the end of a frame."""

MAX_TABLE_BYTES = 64 * 2**20
"""Largest CSV file that is read; those of MARS have at most a third of it."""
MAX_CELLS = 2**24
"""Most cells of a table, counting those that short rows leave out; those of MARS have a tenth of it."""


@dataclass(frozen=True, kw_only=True)
class MarsPart:
    """One subject's recording of one time part, in the sensor frame."""

    pose: NDArray[np.float64]
    """[F, 17, 3] metres."""
    radar: tuple[NDArray[np.float64], ...] | None
    """F frames of points [N, 5]: x, y, z m, Doppler m/s, intensity; None where there was no radar."""
    cuts: Cuts
    """Its movements."""

    def rows(self, movement: int) -> slice:
        """Rows of the movement at position 0, 1, ...; empty where there are fewer movements."""
        bounds = (*self.cuts.starts, len(self.pose))
        return slice(bounds[movement], bounds[movement + 1]) if movement + 1 < len(bounds) else slice(0, 0)


def read_table(path: Path, columns: tuple[str, ...]) -> NDArray[np.float64]:
    """A CSV file as numbers [rows, columns], NaN where a cell is no number; DataError for any other table."""
    remedy = f"expected a CSV table with the columns {', '.join(columns[:3])}, ... ({len(columns)} in all)"
    try:
        content = read_bytes(path, MAX_TABLE_BYTES)
    except UnreadableFileError as error:
        raise DataError.about(path, field="table", value=f"unreadable ({error})", remedy=remedy) from error
    # Checked before parsing: polars unpacks compressed files, and allocates every column.
    if (found := _header(content)) != columns:
        raise DataError.about(path, field="columns", value=list(found[:3]), remedy=remedy)
    if (cells := content.count(b"\n") * len(columns)) > MAX_CELLS:
        raise DataError.about(path, field="cells", value=f"{cells}, at most {MAX_CELLS}", remedy=remedy)
    try:
        table = pl.read_csv(io.BytesIO(content), infer_schema=False, truncate_ragged_lines=True)
    except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError) as error:
        raise DataError.about(path, field="table", value=_brief(error), remedy=remedy) from error
    if table.is_empty():
        raise DataError.about(path, field="table", value="without rows", remedy=remedy)
    return (
        table.select(pl.all().str.strip_chars().cast(pl.Float64, strict=False)).fill_null(np.nan).to_numpy()
    )


def _header(content: bytes) -> tuple[str, ...]:
    """The names in the first line of a CSV file, whatever it holds."""
    line = content[:65536].partition(b"\n")[0].decode("utf-8-sig", errors="replace").rstrip("\r")
    try:
        return tuple(next(csv.reader([line]), []))
    except csv.Error:
        return (line,)


def _brief(error: Exception) -> str:
    return f"unreadable ({str(error).splitlines()[0][:80] if str(error) else type(error).__name__})"


def split_frames(rows: NDArray[np.float64], path: Path) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The frame counter [F] and the first row of each radar frame, with the end appended [F + 1].

    A frame ends where `Frame #` changes.
    """
    counter = rows[:, 0]
    if not np.isfinite(counter).all():
        line = int(np.flatnonzero(~np.isfinite(counter))[0]) + 2
        raise DataError.about(
            path, field=f"`Frame #` in line {line}", value="not a number", remedy="repair the file"
        )
    starts = np.flatnonzero(np.concatenate([[True], counter[1:] != counter[:-1]]))
    return counter[starts], np.append(starts, len(rows))


def read_part(folder: Path, part: str) -> MarsPart:
    """`kinect_data_<part>.csv` and, if there is one, `radar_data_<part>.csv`; cached until they change."""
    kinect, radar = (folder / f"{name}_data_{part}.csv" for name in ("kinect", "radar"))
    return _read_part(kinect, _stamp(kinect), radar if radar.exists() else None, _stamp(radar))


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat() if path.exists() else None
    return (status.st_mtime_ns, status.st_size) if status else (0, 0)


@lru_cache(maxsize=16)
def _read_part(
    kinect: Path, _kinect_stamp: tuple[int, int], radar: Path | None, _radar_stamp: tuple[int, int]
) -> MarsPart:
    joints = to_joints(read_table(kinect, KINECT_COLUMNS))
    pose = to_pose(joints)
    if radar is None:
        return MarsPart(pose=pose, radar=None, cuts=_cuts(joints, None, kinect))
    rows = read_table(radar, RADAR_COLUMNS)
    counter, bounds = split_frames(rows, radar)
    if len(counter) != len(pose):
        remedy = f"it must equal the {len(pose)} rows of {kinect.name}; take both files from one download"
        raise DataError.about(radar, field="number of radar frames", value=len(counter), remedy=remedy)
    points = to_sensor_frame(rows[:, 2:7])
    frames = tuple(points[a:b] for a, b in itertools.pairwise(bounds))
    return MarsPart(pose=pose, radar=frames, cuts=_cuts(joints, counter, kinect))


def _cuts(joints: NDArray[np.float64], counter: NDArray[np.float64] | None, path: Path) -> Cuts:
    """The movements of a part; DataError for one that is longer than a sequence may be."""
    cuts = find_cuts(joints, counter)
    longest = int(np.diff([*cuts.starts, len(joints)]).max())
    if longest > MAX_FRAMES:
        remedy = f"at most {MAX_FRAMES} are read; take the file from a new download"
        raise DataError.about(path, field="rows of one movement", value=longest, remedy=remedy)
    return cuts
