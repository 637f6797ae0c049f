"""A clip is what a store holds of a sequence; sequences are found by name; predictions are read back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from equipose.pipelines.files.errors import DataError
from equipose.pipelines.player import clip_of
from equipose.pipelines.player.predictions import POSE, read_predictions
from equipose.pipelines.player.stored import (
    MOST_FRAMES,
    find_sequence,
    first_with_pose,
    rows_by_sequence,
    true_pelvis,
)
from equipose.pipelines.sequence import SensorSequence
from equipose.pipelines.store import SequenceKey, Store, StoreHeader, StoreWriter
from equipose.pipelines.store.signals import StoredSignals

Make = Callable[..., SensorSequence]


def stored(folder: Path, *sequences: SensorSequence) -> Store:
    """A store of these sequences, with the sensors of the first."""
    sensors = [name for name in sequences[0].signals if name != "pose"]
    writer = StoreWriter(folder, StoreHeader(source="made", signals=StoredSignals.of(sensors)))
    for sequence in sequences:
        writer.write(sequence)
    return writer.finish()


def test_a_clip_has_poses_sensors_and_their_gaps(tmp_path: Path, make_sequence: Make) -> None:
    made = make_sequence(1, 2, 5, invalid={"rgb": [0, 3], "pose": [2], "lidar": [1]})
    store = stored(tmp_path / "store", made)
    clip = clip_of(store, 0, {"model": made.pose + 1})
    assert (clip.title, clip.provenance, clip.total) == ("E01 S01 A02", "simulated data", 5)
    assert [panel.title for panel in clip.panels] == [
        "rgb, pixel", "lidar, m", "mmwave, m", "wifi, amplitude",
    ]  # fmt: skip
    assert np.isnan(clip.truth).all(axis=(1, 2)).tolist() == [False, False, True, False, False]
    assert clip.errors_mm["model"][0] == pytest.approx(1000 * 3**0.5, rel=1e-5)
    keypoints, cloud = clip.panels[0].plain(np.arange(5)), clip.panels[1].plain(np.arange(5))
    assert keypoints["kind"] == "keypoints"
    assert np.isnan(clip.panels[0].points[[0, 3]]).all()  # type: ignore[union-attr]
    assert cloud["offsets"][1] == cloud["offsets"][2]


def test_simulated_sensors_beside_real_ones_are_marked(tmp_path: Path, make_sequence: Make) -> None:
    made = make_sequence(1, 1, 3, sensors=("rgb", "lidar"))
    made.provenance["rgb"], made.provenance["pose"] = "real", "real"
    clip = clip_of(stored(tmp_path / "store", made), 0)
    assert clip.provenance == "real and simulated data"
    assert [panel.title for panel in clip.panels] == ["rgb, pixel", "lidar, m, simulated"]
    assert clip_of(stored(tmp_path / "again", made), 0, sensors=False).panels == ()


def test_long_sequences_are_thinned_and_chosen_frames_kept(tmp_path: Path, make_sequence: Make) -> None:
    made = make_sequence(1, 1, MOST_FRAMES + 100, sensors=("rgb",))
    store = stored(tmp_path / "store", made)
    clip = clip_of(store, 0)
    assert (len(clip), clip.total) == (MOST_FRAMES, MOST_FRAMES + 100)
    assert clip.numbers[[0, -1]].tolist() == made.numbers[[0, -1]].tolist()
    few = clip_of(store, 0, offsets=np.array([3, 7]))
    assert (few.numbers.tolist(), few.total) == ([4, 8], 2)
    np.testing.assert_array_equal(few.truth, made.pose[[3, 7]])


def test_sequences_are_found_by_enough_of_their_name(small_store: Store) -> None:
    stems = [key.stem for key in small_store.keys]
    assert find_sequence(small_store, "E01_S08_A13") == stems.index("E01_S08_A13")
    assert find_sequence(small_store, "S09 A02") == stems.index("E01_S09_A02")
    with pytest.raises(DataError, match=r"'S08', which 2 sequences have; .*E01_S08_A02, E01_S08_A13$"):
        find_sequence(small_store, "S08")
    with pytest.raises(DataError, match=r"'S99', which no sequences have; choose one: .* and 11 more"):
        find_sequence(small_store, "S99")
    assert first_with_pose(small_store) == 0


def test_rows_are_sorted_into_their_sequences(small_store: Store) -> None:
    found = rows_by_sequence(small_store, np.array([25, 24, 13]))
    assert {name: offsets.tolist() for name, offsets in found.items()} == {1: [1], 2: [0, 1]}


def written(path: Path, **changes: Any) -> Path:
    """A file of predictions of two frames of E01 S01 A02."""
    columns = {
        "environment": pl.Series(["E01", "E01"]),
        "subject": pl.Series(["S01", "S01"]),
        "action": pl.Series(["A02", "A02"]),
        "number": pl.Series([3, 2], dtype=pl.Int32),
        "pose": pl.Series(np.stack([np.full((17, 3), 3.0), np.full((17, 3), 2.0)]), dtype=POSE),
        **changes,
    }
    pl.DataFrame({k: v for k, v in columns.items() if v is not None}).write_parquet(path)
    return path


def test_predictions_are_laid_beside_their_frames(tmp_path: Path) -> None:
    found = read_predictions(written(tmp_path / "poses.parquet"))
    assert found.sequences == {("E01", "S01", "A02", "")}
    assert not found.around_pelvis
    poses = found.poses(SequenceKey("E01", "S01", "A02"), np.array([1, 2, 3]))
    assert np.isnan(poses[0]).all()
    assert (poses[1:, 4, 1]).tolist() == [2, 3]
    assert np.isnan(found.poses(SequenceKey("E01", "S02", "A02"), np.array([2]))).all()
    assert np.isnan(found.poses(SequenceKey("E01", "S01", "A02", "", "C1"), np.array([2]))).all()


def test_predictions_of_several_cameras_are_told_apart(tmp_path: Path) -> None:
    same = pl.Series([2, 2], dtype=pl.Int32)
    found = read_predictions(written(tmp_path / "c.parquet", number=same, camera=pl.Series(["C1", "C2"])))
    assert found.sequences == {("E01", "S01", "A02", "C1"), ("E01", "S01", "A02", "C2")}
    second = found.poses(SequenceKey("E01", "S01", "A02", "", "C2"), np.array([2]))
    assert (second[0, 4, 1], len(second)) == (2, 1)
    with pytest.raises(DataError, match=r"columns is .*camera"):
        read_predictions(written(tmp_path / "d.parquet", camera=pl.Series([1, 2])))


def test_the_true_pelvis_is_zero_where_no_pose_is_known(tmp_path: Path, make_sequence: Make) -> None:
    made = make_sequence(1, 1, 3, sensors=("rgb",), invalid={"pose": [1]})
    pelvis = true_pelvis(stored(tmp_path / "store", made), 0)
    np.testing.assert_array_equal(pelvis[[0, 2], 0], made.pose[[0, 2], 0])
    assert pelvis.shape == (3, 1, 3)
    assert not pelvis[1].any()


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"columns is without \['pose'\]; give a file that `equipose pre"):
        read_predictions(written(tmp_path / "a.parquet", pose=None))
    with pytest.raises(DataError, match=r"columns is .*Int64"):
        read_predictions(written(tmp_path / "b.parquet", number=pl.Series([1, 2], dtype=pl.Int64)))
    (tmp_path / "c.parquet").write_bytes(b"PAR1 no such thing PAR1")
    with pytest.raises(DataError, match="format is unreadable"):
        read_predictions(tmp_path / "c.parquet")
    with pytest.raises(DataError, match="file is not there; give a file that `equipose predict` wrote"):
        read_predictions(tmp_path / "absent.parquet")
