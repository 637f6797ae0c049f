"""A sensor that is not there is refused with cause and remedy; one that is often invalid is doubted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from equipose.pipelines.files.errors import DataError
from equipose.pipelines.sensor_validity import (
    doubtful,
    example,
    invalid_shares,
    require_poses,
    require_sensors,
)
from equipose.pipelines.store import Store

Write = Callable[..., Store]
SENSORS = ("rgb", "lidar", "mmwave", "wifi")
PARTS = {"train": np.arange(4), "test": np.arange(4, 8)}


@pytest.fixture
def store_with(write_store: Write, make_sequence: Callable[..., object]) -> Callable[..., Store]:
    """A store of eight frames, with the given frames of a signal invalid."""
    return lambda **invalid: write_store([make_sequence(frames=8, invalid=invalid)])


def test_a_sensor_without_a_valid_frame_in_a_part_is_refused(store_with: Callable[..., Store]) -> None:
    store = store_with(wifi=[4, 5, 6, 7], rgb=[0])
    shares = invalid_shares(store.index, PARTS)
    assert shares["train"]["wifi"] == 0
    assert shares["test"]["wifi"] == 1
    require_sensors(shares, ("rgb", "lidar"), store.defects, "store")
    with pytest.raises(DataError) as refused:
        require_sensors(shares, SENSORS, store.defects, "store")
    assert str(refused.value) == (
        "store: sensor wifi is invalid in every frame of test (missing: not there); leave it out with "
        "--sensors rgb lidar mmwave, or repair the raw data and prepare it again"
    )


def test_where_no_sensor_is_left_none_is_offered(store_with: Callable[..., Store]) -> None:
    store = store_with(wifi=[4, 5, 6, 7])
    with pytest.raises(DataError, match="no sensor is left to train on: repair"):
        require_sensors(invalid_shares(store.index, PARTS), ("wifi",), store.defects, "store")


def test_more_than_a_quarter_is_doubtful(store_with: Callable[..., Store]) -> None:
    shares = invalid_shares(store_with(rgb=[0], lidar=[0, 1, 5]).index, PARTS)
    (doubt,) = doubtful(shares, SENSORS)
    assert doubt.startswith("sensor lidar is invalid in 50% of train;")
    assert doubtful(shares, ("rgb",)) == []


def test_a_store_with_some_poses_is_accepted(store_with: Callable[..., Store]) -> None:
    some = store_with(pose=[0, 1])
    require_poses(some.index, some.defects, "store")


def test_no_pose_at_all_is_refused(store_with: Callable[..., Store]) -> None:
    none = store_with(pose=list(range(8)))
    with pytest.raises(DataError, match=r"store: pose is invalid in all 8 frames \(missing: not there\)"):
        require_poses(none.index, none.defects, "store")


def test_the_example_is_of_the_most_frequent_reason(store_with: Callable[..., Store]) -> None:
    defects = store_with(rgb=[0, 1, 2]).defects
    reasons, details = pl.Series(["shape", "missing", "missing"]), pl.Series(["a", "b", "c"])
    mixed = defects.with_columns(reason=reasons, detail=details)
    assert example(mixed, "rgb") == "missing: b"
    assert example(mixed, "lidar") == ""
