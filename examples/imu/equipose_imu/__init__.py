"""A wearable sensor, the data set that holds it, and how the data set is divided, in one small package.

On disk, a folder per subject and action with one line per frame in each file, 10 frames a second:

    ROOT/S01/A01/imu.csv        24 numbers: 4 places (wrists, ankles) x (ax, ay, az, gx, gy, gz)
    ROOT/S01/A01/keypoints.csv  34 numbers: 17 COCO key points x (u, v), pixels
    ROOT/S01/A01/pose.csv       51 numbers: 17 joints x (x, y, z), metres, in the camera's frame

An empty line is a frame that the sensor missed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl

from equipose.models.sensors import Grid, Sensor
from equipose.pipelines.files.bounded_read import read_bytes
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.protocols import Division
from equipose.pipelines.sequence import BadFrame, Defect, RawSequence, SequenceKey

IMU = Sensor(
    name="imu",
    letter="U",
    layout=Grid(shape=(4, 6), channel_axis=1, temporal=True),
    unit="m/s^2, rad/s",
    colour="#332288",
)
"""Accelerometer and gyroscope at both wrists and both ankles; its encoder is the default of its layout."""

SHAPES = {"imu": (4, 6), "rgb": (17, 2), "pose": (17, 3)}
FILES = {"imu": "imu.csv", "rgb": "keypoints.csv", "pose": "pose.csv"}
ROOM = "E01"
MAX_BYTES = 64 * 2**20


@dataclass(frozen=True, kw_only=True)
class Wearables:
    """Reads the data set, sequence by sequence."""

    default_split: ClassVar[tuple[str, str]] = ("leave-one-out", "last")

    def sequences(self, root: str | Path) -> list[SequenceKey]:
        """A key per folder with a pose."""
        found = [path.parent for path in Path(root).glob(f"S[0-9][0-9]/A[0-9][0-9]/{FILES['pose']}")]
        if not found:
            remedy = "give the folder that holds S01/A01/pose.csv"
            raise DataError.about(root, field="root", value="without sequences", remedy=remedy)
        return sorted(SequenceKey(ROOM, folder.parent.name, folder.name) for folder in found)

    def read(self, root: str | Path, key: SequenceKey) -> RawSequence:
        """The frames of one folder; a frame that cannot be used is a defect, never left out."""
        folder = Path(root, key.subject, key.action)
        lines = {name: _lines(folder / file) for name, file in FILES.items()}
        count = max(len(found) for found in lines.values())
        frames = {
            name: [_frame(name, number, found, folder / FILES[name]) for number in range(1, count + 1)]
            for name, found in lines.items()
        }
        return RawSequence(
            environment=key.environment,
            subject=key.subject,
            action=key.action,
            numbers=np.arange(1, count + 1, dtype=np.int32),
            frames=frames,
            provenance=dict.fromkeys(frames, "real"),
        )

    def notes(self, root: str | Path) -> tuple[str, ...]:
        """Nothing to remark."""
        return ()

    def sensors(self, root: str | Path) -> tuple[str, ...]:
        """The camera's key points and the wearable."""
        return ("rgb", "imu")

    def settings(self, root: str | Path) -> dict[str, Any]:
        """Nothing that could be set."""
        return {}


def _lines(path: Path) -> list[str]:
    return read_bytes(path, MAX_BYTES).decode().splitlines() if path.exists() else []


def _frame(name: str, number: int, lines: list[str], path: Path) -> np.ndarray | Defect:
    try:
        if number > len(lines) or not lines[number - 1]:
            raise BadFrame("missing", f"{path} has no line {number}")
        try:
            values = np.array(lines[number - 1].split(","), np.float64)
        except ValueError as error:
            raise BadFrame("dtype", f"{path}, line {number}: {error}") from error
        if values.size != np.prod(SHAPES[name]):
            raise BadFrame("shape", f"{path}, line {number}: {values.size} numbers")
        return values.reshape(SHAPES[name])
    except BadFrame as bad:
        return bad.defect(name, number)


def _assign(index: pl.DataFrame, split: str) -> pl.DataFrame:
    """The last subject, or the one that `split` names, is the test; the one before it validates."""
    subjects = sorted(index["subject"].unique())
    if len(subjects) < 3:
        raise DataError(f"leave-one-out needs three subjects, the store has {subjects}")
    test = subjects[-1] if split == "last" else split
    if test not in subjects:
        raise ValueError(f"split is {split!r}; use `last` or one of {subjects}")
    validation = [name for name in subjects if name != test][-1]
    use = dict.fromkeys(subjects, "train") | {test: "test", validation: "validation"}
    return index.with_columns(use=pl.col("subject").replace_strict(use))


WearablesReader = Wearables()
LEAVE_ONE_OUT = Division(splits=("last",), assign=_assign)
