"""A store follows its tree: what changed is read again, what vanished is dropped, the rest stays as it is."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from equipose.pipelines.files.errors import DataError
from equipose.pipelines.prepare import Job, one_by_one, prepare
from equipose.pipelines.simulator import SimulatorConfig, write_mmfi_tree
from equipose.pipelines.store import SequenceKey, Store, open_store

CONFIG = SimulatorConfig(frames=3, radar_empty=0.0, csi_infinite=0.0)
FIRST, OTHER = SequenceKey("E01", "S01", "A02"), SequenceKey("E02", "S12", "A02")


@pytest.fixture(scope="module")
def _tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("again")
    write_mmfi_tree(root, subjects=["S01", "S12"], actions=["A02", "A13"], config=CONFIG)
    return root


@pytest.fixture
def tree(_tree: Path, tmp_path: Path) -> Path:
    """A private copy of E01/S01 and E02/S12, two actions each."""
    return Path(shutil.copytree(_tree, tmp_path / "tree"))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "store"


class Counted:
    """A runner that counts what it reads."""

    def __init__(self) -> None:
        self.keys: list[SequenceKey] = []

    def __call__(self, job: Job, keys: list[SequenceKey]) -> Iterator[tuple[SequenceKey, int]]:
        self.keys += keys
        return one_by_one(job, keys)


def again(tree: Path, out: Path) -> tuple[Store, list[SequenceKey]]:
    """The store prepared again, and what was read for it."""
    counted = Counted()
    store = prepare("mmfi", tree, out, run=counted)
    store.verify()
    return store, counted.keys


def damage(tree: Path) -> Path:
    """Cut one LiDAR file; returns where the whole one is kept."""
    file = tree / "E01" / "S01" / "A02" / "lidar" / "frame002.bin"
    kept = tree.parent / "whole.bin"
    shutil.copy2(file, kept)
    file.write_bytes(file.read_bytes()[:-3])
    return kept


def test_a_repaired_tree_is_read_again_where_it_changed(tree: Path, out: Path) -> None:
    whole = prepare("mmfi", tree, out.with_name("whole")).fingerprint
    kept = damage(tree)
    flawed = prepare("mmfi", tree, out)
    assert len(flawed.defects) == 1
    shutil.copy2(kept, tree / "E01" / "S01" / "A02" / "lidar" / "frame002.bin")
    repaired, keys = again(tree, out)
    assert keys == [FIRST]
    assert (len(repaired.defects), repaired.fingerprint) == (0, whole)
    assert repaired.report["changes"] == ["1 read again, such as E01/S01/A02"]
    assert flawed.sequence(0).valid["lidar"].tolist() == [True, False, True], "open stores keep their files"


def test_an_unchanged_tree_leaves_the_store_as_it_is(tree: Path, out: Path) -> None:
    first = prepare("mmfi", tree, out)
    files = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    second, keys = again(tree, out)
    assert keys == []
    assert second.fingerprint == first.fingerprint
    assert {path: path.stat().st_mtime_ns for path in out.iterdir()} == files


def test_a_touched_file_is_read_again_and_the_content_stays(tree: Path, out: Path) -> None:
    first = prepare("mmfi", tree, out)
    os.utime(tree / "E01" / "S01" / "A02" / "ground_truth.npy", ns=(1, 1))
    second, keys = again(tree, out)
    assert keys == [FIRST]
    assert second.fingerprint == first.fingerprint
    assert not set(second.files) & set(first.files), "no file that a process may have mapped is written again"
    assert again(tree, out)[1] == []


def test_what_vanished_is_dropped(tree: Path, out: Path) -> None:
    prepare("mmfi", tree, out)
    shutil.rmtree(tree / "E02")
    store, keys = again(tree, out)
    assert keys == []
    assert {key.subject for key in store.keys} == {"S01"}
    assert store.report["changes"] == ["2 dropped, no longer there, such as E02/S12/A02"]


def test_a_choice_of_subjects_drops_nothing(tree: Path, out: Path) -> None:
    prepare("mmfi", tree, out)
    assert len(prepare("mmfi", tree, out, subjects=("S01",)).keys) == 4


def test_a_moved_subject_is_followed(tree: Path, out: Path) -> None:
    (tree / "E02" / "S12").rename(tree / "E02" / "S41")
    prepare("mmfi", tree, out)
    (tree / "E02" / "S41").rename(tree / "E01" / "S41")
    store, keys = again(tree, out)
    assert keys == [SequenceKey("E01", "S41", "A02"), SequenceKey("E01", "S41", "A13")]
    assert {key.environment for key in store.keys} == {"E01"}


def test_a_sequence_that_lost_its_frames_leaves_the_store(tree: Path, out: Path) -> None:
    prepare("mmfi", tree, out)
    place = tree / "E01" / "S01" / "A02"
    shutil.rmtree(place)
    place.mkdir()
    store, _ = again(tree, out)
    assert FIRST not in store.keys
    assert "E01/S01/A02 holds no frame and was left out" in store.report["notes"]


def test_a_change_during_an_interruption_is_noticed(tree: Path, out: Path) -> None:
    def interrupted(job: Job, keys: list[SequenceKey]) -> Iterator[tuple[SequenceKey, int]]:
        yield from one_by_one(job, keys[:2])
        raise KeyboardInterrupt

    kept = damage(tree)
    with pytest.raises(KeyboardInterrupt):
        prepare("mmfi", tree, out, run=interrupted)
    shutil.copy2(kept, tree / "E01" / "S01" / "A02" / "lidar" / "frame002.bin")
    shutil.rmtree(tree / "E01" / "S01" / "A13")
    store, keys = again(tree, out)
    assert keys == [FIRST, OTHER, OTHER._replace(action="A13")]
    assert len(store.keys) == 3
    assert store.defects.is_empty()


def test_a_store_of_an_earlier_version_is_read_again_once(tree: Path, out: Path) -> None:
    first = prepare("mmfi", tree, out)
    manifest = json.loads((out / "manifest.json").read_text())
    for entry in manifest["sequences"]:
        del entry["state"]
    (out / "manifest.json").write_text(json.dumps(manifest))
    assert len(open_store(out)) == len(first)
    store, keys = again(tree, out)
    assert len(keys) == 4
    assert store.fingerprint == first.fingerprint
    assert again(tree, out)[1] == []


def test_changed_notes_are_kept_without_reading(tree: Path, out: Path) -> None:
    first = prepare("mmfi", tree, out)
    (tree / "README.md").write_text("hello")
    store, keys = again(tree, out)
    assert keys == []
    assert any("README.md" in note for note in store.report["notes"])
    assert store.files == first.files


def all_truths(tree: Path) -> list[Path]:
    return sorted(tree.glob("*/*/*/ground_truth.npy"))


def test_poses_in_millimetres_are_refused_with_that_guess(tree: Path, out: Path) -> None:
    for path in all_truths(tree):
        np.save(path, np.load(path) * 1000)
    for _ in range(2):
        with pytest.raises(
            DataError, match=r"pose is invalid in all 12 frames .*millimetres\? divide by 1000"
        ):
            prepare("mmfi", tree, out)
    for path in all_truths(tree):
        np.save(path, np.load(path) / 1000)
    assert again(tree, out)[0].index["valid_pose"].all()


def test_a_missing_ground_truth_is_named_as_the_cause(tree: Path, out: Path) -> None:
    for path in all_truths(tree):
        path.unlink()
    with pytest.raises(DataError, match=r"pose is invalid .*missing: no .*ground_truth.npy"):
        prepare("mmfi", tree, out)


def test_a_tree_without_any_frame_names_what_lies_there(tree: Path, out: Path) -> None:
    for path in all_truths(tree):
        path.unlink()
    for path in tree.glob("*/*/*/*/*"):
        path.rename(path.with_name(path.name.replace("frame00", "frame")))
    with pytest.raises(DataError, match=r"without a single frame \(.*12 entries are there but not read"):
        prepare("mmfi", tree, out)
