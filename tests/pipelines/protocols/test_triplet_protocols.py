"""Protocols of triplets divide by subject or part, and refuse stores of other kinds."""

from __future__ import annotations

import polars as pl
import pytest

from equipose.pipelines.files.errors import DataError
from equipose.pipelines.protocols import DIVISIONS, assign, select
from equipose.pipelines.protocols.carving import GAP_FRAMES


def index_of(*recordings: tuple[str, str, str], frames: int = 80) -> pl.DataFrame:
    """An index of (subject, part, camera) recordings of one action."""
    rows = [
        {"subject": s, "action": "A01", "part": p, "camera": c, "number": n + 1, "valid_pose": True}
        for s, p, c in recordings
        for n in range(frames)
    ]
    return pl.DataFrame(rows).with_row_index("row").with_columns(pl.col("row").cast(pl.Int64))


LAB = index_of(*[(s, "", c) for s in ("S01", "S05", "S08", "S09", "S11") for c in ("C1", "C2")])


def test_human36m_tests_on_s9_and_s11() -> None:
    used = assign(LAB, "H36M", "time")
    who = {use: set(rows["subject"]) for (use,), rows in used.group_by("use")}
    assert who["test"] == {"S09", "S11"}
    assert who["train"] == who["validation"] == {"S01", "S05", "S08"}
    by_subject = assign(LAB, "H36M", "subject")
    assert set(by_subject.filter(pl.col("use") == "validation")["subject"]) == {"S08"}
    assert set(by_subject.filter(pl.col("use") == "train")["subject"]) == {"S01", "S05"}


def test_time_is_carved_from_each_camera_s_recording() -> None:
    used = assign(LAB, "H36M", "time").filter((pl.col("subject") == "S01") & (pl.col("camera") == "C2"))
    numbers = {use: rows["number"] for (use,), rows in used.group_by("use")}
    assert numbers["validation"].to_list() == list(range(61, 81))
    assert numbers["train"].max() == 60 - GAP_FRAMES


def test_3dhp_and_3dpw_take_the_parts_of_the_source() -> None:
    hall = index_of(("S01", "train", "0"), ("S11", "test", "0"))
    parts = select(hall, "3DHP", "time")
    assert {name: len(rows) for name, rows in parts.items()} == {"train": 45, "validation": 20, "test": 80}
    walk = index_of(("S01", "test", "moving"))
    with pytest.raises(DataError, match="for train, validation"):
        select(walk, "3DPW", "test")
    assert len(select(walk, "3DPW", "test", needed=("test",))["test"]) == 80


@pytest.mark.parametrize(
    ("protocol", "split", "index"),
    [
        ("H36M", "time", LAB.drop("camera")),
        ("H36M", "time", index_of(("S01", "", ""))),
        ("H36M", "time", index_of(("S01", "train", "C1"))),
        ("H36M", "time", index_of(("S01", "", "moving"))),
        ("3DHP", "time", LAB),
        ("3DHP", "time", index_of(("S01", "test", "moving"))),
        ("3DPW", "test", index_of(("S01", "test", "0"))),
        ("P1", "S1", LAB),
        ("MARS", "time", index_of(("S01", "test", "0"))),
    ],
)
def test_other_stores_are_refused(protocol: str, split: str, index: pl.DataFrame) -> None:
    with pytest.raises(DataError, match=f"protocol {protocol}, split {split}, does not fit"):
        assign(index, protocol, split)


@pytest.mark.parametrize("protocol", ["H36M", "3DHP", "3DPW", "3DPW-smpl12"])
def test_unknown_splits_are_refused(protocol: str) -> None:
    with pytest.raises(ValueError, match="split is 'S1'"):
        assign(LAB, protocol, "S1")


def test_only_poses_in_camera_axes_are_relative_to_the_pelvis() -> None:
    relative = {name for name, division in DIVISIONS.items() if division.root_relative}
    assert relative == {"H36M", "H36M+3DHP", "3DHP", "3DPW", "3DPW-smpl12"}


def test_poses_of_twelve_joints_are_judged_by_their_own_protocol_alone() -> None:
    walk = index_of(("S01", "test", "movingSmpl12"))
    assert len(select(walk, "3DPW-smpl12", "test", needed=("test",))["test"]) == 80
    for protocol, split in (("3DPW", "test"), ("3DHP", "time"), ("H36M", "time")):
        with pytest.raises(DataError, match="use 3DPW-smpl12"):
            assign(walk, protocol, split)
    for camera in ("moving", "0"):
        with pytest.raises(DataError, match="does not fit"):
            assign(index_of(("S01", "test", camera)), "3DPW-smpl12", "test")
    mixed = index_of(("S01", "test", "movingSmpl12"), ("S02", "test", "moving"))
    for protocol in ("3DPW", "3DPW-smpl12"):
        with pytest.raises(DataError, match="does not fit"):
            assign(mixed, protocol, "test")
