"""A store gives back bit for bit what was written, survives every interruption, and says what is wrong."""

from __future__ import annotations

import json
import pickle
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pyarrow import fs

from equipose.models.sensors import SENSORS
from equipose.pipelines.cleaning import minmax
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.sequence import SensorSequence
from equipose.pipelines.store import Store, StoreHeader, StoreWriter, open_store
from equipose.pipelines.store.format import values_of
from equipose.pipelines.store.signals import StoredSignals

MakeSequence = Callable[..., SensorSequence]
HEADER = StoreHeader(source="test")


def assert_same(one: SensorSequence, other: SensorSequence) -> None:
    """Bit for bit, identity, validity, defects and provenance included."""
    for name in ("environment", "subject", "action", "part", "camera", "defects", "provenance"):
        assert getattr(one, name) == getattr(other, name)
    np.testing.assert_array_equal(one.numbers, other.numbers)
    assert list(one.signals) == list(other.signals)
    for name, stored in one.signals.items():
        assert values_of(stored).dtype == values_of(other.signals[name]).dtype
        np.testing.assert_array_equal(values_of(stored), values_of(other.signals[name]))
        np.testing.assert_array_equal(one.valid[name], other.valid[name])
        if not isinstance(stored, np.ndarray):
            np.testing.assert_array_equal(stored.offsets, other.signals[name].offsets)


def test_round_trip_is_bit_equal_and_without_copies(store: Store, sequences: list[SensorSequence]) -> None:
    assert [list(key) for key in store.keys] == [
        [s.environment, s.subject, s.action, "", ""] for s in sequences
    ]
    for i, sequence in enumerate(sequences):
        found = store.sequence(i)
        assert_same(found, sequence)
        for stored in found.signals.values():
            assert not values_of(stored).flags.owndata
            assert not values_of(stored).flags.writeable
    assert len(store) == len(store.index) == 21


def test_every_kind_of_sensor_survives_the_store(
    write_store: Callable[..., Store], make_sequence: MakeSequence
) -> None:
    sensors = tuple(SENSORS)
    kept = make_sequence(1, 1, 5, sensors=sensors, invalid={"depth": [2], "infra1": [0]})
    store = write_store([kept, make_sequence(1, 2, 3, sensors=sensors)], sensors=sensors)
    assert store.signals.sensors == sensors
    assert_same(store.sequence(0), kept)
    store.verify()
    frame = store.frame("E01", "S01", "A01", 2)
    assert frame["depth"] is not None
    assert (frame["depth"].shape, frame["depth"].dtype) == ((144, 192), np.uint16)
    assert store.frame("E01", "S01", "A01", 3)["depth"] is None


def test_a_store_of_format_1_opens(store: Store, sequences: list[SensorSequence]) -> None:
    """It held the four default sensors without saying so."""
    path = Path(store.path) / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["header"]["sensors"]
    path.write_text(json.dumps(manifest | {"format": 1}))
    old = open_store(store.path)
    assert old.signals == store.signals
    assert_same(old.sequence(1), sequences[1])


def test_a_store_of_format_1_can_be_extended(
    store: Store, make_sequence: MakeSequence, write_store: Callable[..., Store]
) -> None:
    for name, content in {"manifest.json": ("header",), "header.json": ()}.items():
        path = Path(store.path) / name
        plain = json.loads(path.read_text())
        inside = plain
        for key in content:
            inside = inside[key]
        del inside["sensors"]
        path.write_text(json.dumps(plain | {"format": 1}))
    writer = StoreWriter(store.path, HEADER)
    writer.write(make_sequence(3, 1, 4))
    grown = writer.finish()
    assert len(grown) == len(store) + 4
    assert grown.signals == store.signals


def test_other_sensors_are_another_preparation(store: Store) -> None:
    other = StoreHeader(source="test", signals=StoredSignals.of(("rgb", "depth")))
    expected = r"sensors \['rgb', 'lidar', 'mmwave', 'wifi'\], expected \['rgb', 'depth'\]"
    with pytest.raises(DataError, match=expected):
        StoreWriter(store.path, other)


def test_index_has_a_row_per_frame(store: Store, sequences: list[SensorSequence]) -> None:
    assert store.index.columns == [
        "row", "sequence", "offset", "environment", "subject", "action", "part", "camera", "number",
        "valid_rgb", "valid_lidar", "valid_mmwave", "valid_wifi", "valid_pose",
    ]  # fmt: skip
    assert store.index["row"].to_list() == list(range(21))
    assert store.index["offset"].to_list() == [*range(7), *range(5), *range(9)]
    second = store.index.filter(pl.col("sequence") == 1)
    assert (
        second["valid_rgb"].to_list()
        == sequences[1].valid["rgb"].tolist()
        == [False, True, True, False, True]
    )
    assert second["number"].to_list() == [1, 2, 3, 4, 5]


def test_frame_gives_what_the_toolbox_gives(store: Store, sequences: list[SensorSequence]) -> None:
    frame = store.frame("E02", "S12", "A01", 3)
    for name in ("rgb", "lidar", "mmwave", "pose"):
        np.testing.assert_array_equal(frame[name], sequences[2].signals[name][2])
    np.testing.assert_array_equal(frame["wifi"], minmax(sequences[2].signals["wifi"][2], 3))
    assert {name: value.dtype for name, value in frame.items()} == dict.fromkeys(
        store.signals.names, np.dtype("float32")
    )
    broken = store.frame("E01", "S01", "A02", 1)
    assert broken["rgb"] is None
    assert broken["pose"] is not None


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (("E09", "S01", "A01", 1), r"environment is 'E09', .*'E01', 'E02'"),
        (("E01", "S12", "A01", 1), r"subject is 'S12', .*E01 has \['S01'\]"),
        (("E01", "S01", "A03", 1), r"action is 'A03', .*E01 S01 has \['A01', 'A02'\]"),
        (("E01", "S01", "A01", 0), r"number is 0, .*E01 S01 A01 has 1\.\.7"),
    ],
)
def test_unknown_frame_says_what_exists(
    store: Store, wanted: tuple[str, str, str, int], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        store.frame(*wanted)


def test_parts_of_one_recording_are_found_by_number(
    write_store: Callable[..., Store], make_sequence: Callable[..., SensorSequence]
) -> None:
    parts = [make_sequence(1, 1, 4, part="train"), make_sequence(1, 1, 3, part="test", first=5)]
    store = write_store(parts)
    assert [key.part for key in store.keys] == ["test", "train"]
    np.testing.assert_array_equal(store.frame("E01", "S01", "A01", 6)["pose"], parts[1].pose[1])
    with pytest.raises(DataError, match=r"5\.\.7, 1\.\.4"):
        store.frame("E01", "S01", "A01", 9)


def test_fingerprint_knows_content_and_nothing_else(
    write_store: Callable[..., Store],
    sequences: list[SensorSequence],
    make_sequence: Callable[..., SensorSequence],
) -> None:
    first = write_store(sequences, "one")
    assert write_store(sequences[::-1], "two").fingerprint == first.fingerprint
    assert write_store(sequences[:2], "three").fingerprint != first.fingerprint
    relabelled = make_sequence(1, 1, 7, provenance="real")
    assert write_store([relabelled, *sequences[1:]], "four").fingerprint != first.fingerprint
    nudged = make_sequence(1, 1, 7)
    nudged.signals["wifi"][3, 0, 0, 0] = np.nextafter(nudged.signals["wifi"][3, 0, 0, 0], np.float32(0))
    assert write_store([nudged, *sequences[1:]], "five").fingerprint != first.fingerprint


def test_provenance_counts_sequences_and_defects_keep_reasons(store: Store) -> None:
    assert store.provenance == {name: {"simulated:test": 3} for name in store.signals.names}
    assert store.defects.group_by("modality").len().sort("modality").rows() == [
        ("lidar", 1), ("mmwave", 1), ("rgb", 2), ("wifi", 1),
    ]  # fmt: skip
    assert store.header == HEADER.to_json()


def test_store_travels_as_its_path(store: Store) -> None:
    sent = pickle.dumps(store)
    assert len(sent) < 500
    assert pickle.loads(sent).fingerprint == store.fingerprint


def run_and_die(tmp_path: Path, sequences: list[SensorSequence], deed: str) -> None:
    """Run `deed`, which ends in `die()`, in a new process that has `writer`, `one`, `two` and `three`.

    `die()` is SIGKILL: no handler, no clean-up.
    """
    inputs = tmp_path / "sequences.pickle"
    inputs.write_bytes(pickle.dumps(sequences))
    script = f"""
import os, pickle, signal
from equipose.pipelines.store import folder as store_files, writer as store_writer
from equipose.pipelines.store import StoreHeader, StoreWriter

def die(*ignored):
    os.kill(os.getpid(), signal.SIGKILL)

one, two, three = pickle.loads(open({str(inputs)!r}, "rb").read())
writer = StoreWriter({str(tmp_path / "store")!r}, StoreHeader(source="test"))
{textwrap.dedent(deed)}
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


def resume(tmp_path: Path, sequences: list[SensorSequence], written: set[str]) -> None:
    """Find exactly the sequences `written` (by subject and action), write the others, compare all."""
    writer = StoreWriter(tmp_path / "store", HEADER)
    assert {key.subject + key.action for key in writer.written()} == written
    for sequence in sequences:
        if sequence.subject + sequence.action not in written:
            writer.write(sequence)
    store = writer.finish()
    store.verify()
    for i, sequence in enumerate(sequences):
        assert_same(store.sequence(i), sequence)
    left = {path.name.split("-")[0] for path in (tmp_path / "store").iterdir()}
    assert left == {"manifest.json", "header.json", "frames", "index", "defects"}


def test_killed_while_writing_a_sequence(tmp_path: Path, sequences: list[SensorSequence]) -> None:
    """Half of the second sequence's bytes are written: the first is complete, the second is not visible."""
    deed = """
    def die_half_way(handle):
        os.ftruncate(handle, os.fstat(handle).st_size // 2)
        die()

    writer.write(one)
    store_files.os.fsync = die_half_way
    writer.write(two)
    """
    run_and_die(tmp_path, sequences, deed)
    assert len(list((tmp_path / "store" / "parts").glob(".*.tmp"))) == 1
    with pytest.raises(DataError, match="unfinished; run the same"):
        open_store(tmp_path / "store")
    resume(tmp_path, sequences, {"S01A01"})


@pytest.mark.parametrize("moment", ["write_json", "shutil.rmtree"])
def test_killed_while_finishing(tmp_path: Path, sequences: list[SensorSequence], moment: str) -> None:
    """Just before the manifest appears, or just after it."""
    deed = f"""
    for sequence in (one, two):
        writer.write(sequence)
    store_writer.{moment} = die
    writer.finish()
    """
    run_and_die(tmp_path, sequences, deed)
    if moment == "shutil.rmtree":
        assert len(open_store(tmp_path / "store").keys) == 2
    resume(tmp_path, sequences, {"S01A01", "S01A02"})


def test_writers_side_by_side_write_one_store(tmp_path: Path, make_sequence: MakeSequence) -> None:
    """Each with its own writer, as in separate processes, starting from nothing at the same moment."""
    sequences = [make_sequence(1, action, 2) for action in range(1, 13)]
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda sequence: StoreWriter(tmp_path / "store", HEADER).write(sequence), sequences))
    store = StoreWriter(tmp_path / "store", HEADER).finish()
    for i, sequence in enumerate(sequences):
        assert_same(store.sequence(i), sequence)


def test_sequences_can_be_added_to_a_finished_store(store: Store, sequences: list[SensorSequence]) -> None:
    root = Path(store.path)
    shutil.rmtree(root)
    writer = StoreWriter(root, HEADER)
    for sequence in sequences[1:]:
        writer.write(sequence)
    old = writer.finish(report={"note": "first"})
    again = StoreWriter(root, HEADER)
    assert set(again.written()) == set(old.keys)
    assert again.finish().report == {"note": "first"}
    again.write(sequences[0])
    new = again.finish()
    assert new.fingerprint == store.fingerprint
    for i, sequence in enumerate(sequences):
        assert_same(new.sequence(i), sequence)
    assert_same(old.sequence(0), sequences[1])
    assert len(list(root.glob("*.arrow"))) == 1
    with pytest.raises(DataError, match="already in it"):
        StoreWriter(root, HEADER).write(sequences[0])


def test_other_filesystems_are_read_without_memory_mapping(
    store: Store, sequences: list[SensorSequence]
) -> None:
    root = Path(store.path)
    remote = fs.SubTreeFileSystem(str(root.parent), fs.LocalFileSystem())
    opened = open_store(root.name, remote)
    opened.verify()
    for i, sequence in enumerate(sequences):
        assert_same(opened.sequence(i), sequence)
    assert pickle.loads(pickle.dumps(opened)).fingerprint == store.fingerprint
    assert open_store(root.as_uri()).frame("E01", "S01", "A01", 1)["pose"] is not None
