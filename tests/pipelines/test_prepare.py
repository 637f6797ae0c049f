"""Preparing: every sequence once, resumable, the same store in parallel or not, defects included."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from equipose.pipelines.files.errors import DataError
from equipose.pipelines.prepare import prepare
from equipose.pipelines.readers import SimulatedReader, SimulatedSource
from equipose.pipelines.sequence import RawSequence
from equipose.pipelines.simulator import SimulatorConfig, write_mmfi_tree
from equipose.pipelines.store import SequenceKey, open_store

CONFIG = SimulatorConfig(frames=3, radar_empty=0.3, csi_infinite=0.05)
SOURCE = SimulatedSource(subjects=("S01", "S12"), actions=("A02", "A13"), config=CONFIG)


@dataclass(frozen=True, kw_only=True)
class Interrupted(SimulatedReader):
    """Reads a few sequences, then the user presses Ctrl-C."""

    left: list[int] = field(default_factory=lambda: [2])

    def read(self, root: SimulatedSource, key: SequenceKey) -> RawSequence:
        if not self.left[0]:
            raise KeyboardInterrupt
        self.left[0] -= 1
        return super().read(root, key)


@dataclass(frozen=True, kw_only=True)
class Cursed(SimulatedReader):
    """Cannot read anything."""

    def read(self, root: SimulatedSource, key: SequenceKey) -> RawSequence:
        raise DataError.about("disk", field="sector", value="cursed", remedy="try another")


def test_progress_counts_every_sequence(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    store = prepare("simulated", SOURCE, tmp_path / "store", progress=lambda *now: seen.append(now))
    assert seen == [(n, 4) for n in range(5)]
    assert len(store) == 12
    assert store.report["source"] == "simulated"
    assert "simulated" in store.report["notes"][0]


def test_an_interrupted_preparation_continues_and_ends_the_same(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        prepare("simulated", SOURCE, tmp_path / "store", reader=Interrupted())
    with pytest.raises(DataError):
        open_store(tmp_path / "store")
    seen: list[tuple[int, int]] = []
    resumed = prepare("simulated", SOURCE, tmp_path / "store", progress=lambda *now: seen.append(now))
    assert seen == [(2, 4), (3, 4), (4, 4)]
    assert resumed.fingerprint == prepare("simulated", SOURCE, tmp_path / "other").fingerprint


def test_a_finished_store_is_unchanged_or_grows_with_its_source(tmp_path: Path) -> None:
    first = prepare("simulated", SOURCE, tmp_path / "store", subjects=("S01",))
    assert {key.subject for key in first.keys} == {"S01"}
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "store").iterdir()}
    again = prepare("simulated", SOURCE, tmp_path / "store", subjects=("S01",))
    assert again.fingerprint == first.fingerprint
    assert times == {path: path.stat().st_mtime_ns for path in (tmp_path / "store").iterdir()}
    assert len(prepare("simulated", SOURCE, tmp_path / "store").keys) == 4


def test_other_settings_need_another_store(tmp_path: Path) -> None:
    prepare("simulated", SOURCE, tmp_path / "store", subjects=("S01",))
    other = SimulatedSource(subjects=("S01",), actions=("A02",), config=SimulatorConfig(frames=3, seed=9))
    with pytest.raises(DataError, match="store"):
        prepare("simulated", other, tmp_path / "store")


def test_a_store_of_another_version_is_refused(tmp_path: Path) -> None:
    prepare("simulated", SOURCE, tmp_path / "store", subjects=("S01",))
    manifest = tmp_path / "store" / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"format": 999}))
    for act in (
        lambda: open_store(tmp_path / "store"),
        lambda: prepare("simulated", SOURCE, tmp_path / "store"),
    ):
        with pytest.raises(DataError, match="999"):
            act()


def test_an_empty_selection_names_what_exists(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"it has subjects S01, S12 and actions A02, A13"):
        prepare("simulated", SOURCE, tmp_path / "store", subjects=("S40",))


def test_a_file_in_place_of_the_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("x")
    with pytest.raises(DataError, match="store"):
        prepare("simulated", SOURCE, tmp_path / "store")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    write_mmfi_tree(tmp_path / "tree", subjects=["S01", "S12"], actions=["A02", "A13"], config=CONFIG)
    return tmp_path / "tree"


def test_through_files_or_not_the_frames_are_the_same(tree: Path, tmp_path: Path) -> None:
    direct = prepare("simulated", SOURCE, tmp_path / "direct")
    read = prepare("mmfi", tree, tmp_path / "read")
    assert read.fingerprint == direct.fingerprint
    assert read.index.equals(direct.index)


def test_a_sequence_without_frames_is_named_not_lost(tree: Path, tmp_path: Path) -> None:
    place = tree / "E01" / "S01" / "A02"
    shutil.rmtree(place)
    place.mkdir()
    store = prepare("mmfi", tree, tmp_path / "store")
    assert len(store.keys) == 3
    assert "E01/S01/A02 holds no frame and was left out" in store.report["notes"]


def test_a_heavily_damaged_tree_still_becomes_a_store(tree: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    files = sorted(path for path in tree.glob("*/*/*/*/*") if path.is_file())
    for path in files:
        content = bytearray(path.read_bytes())
        for place in rng.integers(0, max(1, len(content)), 5 if content else 0):
            content[place] = rng.integers(256)
        path.write_bytes(content[: rng.integers(0, len(content) + 1)] if rng.random() < 0.5 else content)
    store = prepare("mmfi", tree, tmp_path / "store")
    assert len(store) == 12
    invalid = sum(int((~store.index[f"valid_{m}"]).sum()) for m in ("rgb", "lidar", "mmwave", "wifi"))
    assert invalid == len(store.defects) > 10
