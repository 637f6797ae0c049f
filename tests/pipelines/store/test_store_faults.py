"""Every way in which a store can be wrong ends in one clear message."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from equipose.pipelines.files.errors import DataError
from equipose.pipelines.sequence import SensorSequence
from equipose.pipelines.store import Store, StoreHeader, StoreWriter, open_store

HEADER = StoreHeader(source="test")


def test_another_preparation_is_not_mixed_in(store: Store) -> None:
    with pytest.raises(DataError, match=r"preparation is .*'test'.*expected .*'mars'"):
        StoreWriter(store.path, StoreHeader(source="mars"))


def test_verify_names_the_damaged_file_and_sequence(store: Store) -> None:
    store.verify()
    path = next(Path(store.path).glob("frames-*.arrow"))
    position = 4 * int(store.layout.dense["wifi"][9])
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    damaged = path.with_suffix(".copy")
    damaged.write_bytes(content)
    damaged.rename(path)
    with pytest.raises(
        DataError, match=r"frames-.*\.arrow: SHA-256 is .*changed sequences: \[.*'S01', 'A02'"
    ):
        open_store(store.path).verify()


def test_verify_checks_the_index_too(store: Store) -> None:
    path = next(Path(store.path).glob("index-*.parquet"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="index-"):
        open_store(store.path).verify()


def test_damaged_part_is_refused_before_it_enters_the_store(
    tmp_path: Path, sequences: list[SensorSequence]
) -> None:
    writer = StoreWriter(tmp_path / "store", HEADER)
    writer.write(sequences[0])
    part = next((tmp_path / "store" / "parts").glob("*.arrow"))
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(content)
    with pytest.raises(DataError, match=r"E01_S01_A01\.arrow: content is .*delete it and prepare again"):
        writer.finish()
    part.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"E01_S01_A01\.arrow: sequence is unreadable"):
        writer.finish()


def _edit(store: Store, **changes: object) -> None:
    path = Path(store.path) / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_refuses_what_is_not_a_complete_store(store: Store, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere: store is missing"):
        open_store(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no manifest\.json in it"):
        open_store(tmp_path / "empty")
    with pytest.raises(DataError, match="no sequence was written"):
        StoreWriter(tmp_path / "empty", HEADER).finish()
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="is a file"):
        StoreWriter(tmp_path / "file", HEADER)
    with pytest.raises(DataError, match="URI is"):
        open_store("nonsense://host/path")
    next(Path(store.path).glob("index-*")).unlink()
    with pytest.raises(DataError, match=r"index-.*: bytes is None, expected \d+"):
        open_store(store.path)


def test_refuses_another_version_and_edited_manifests(store: Store) -> None:
    original = (Path(store.path) / "manifest.json").read_text()
    _edit(store, format=99)
    with pytest.raises(DataError, match=r"manifest\.json: format is 99, expected \(1, 2, 3\)"):
        open_store(store.path)
    _edit(store, format=1, fingerprint="0" * 16)
    with pytest.raises(DataError, match="fingerprint is 0000"):
        open_store(store.path)
    (Path(store.path) / "manifest.json").write_text(original)
    _edit(store, files={"../outside": {"bytes": 1, "sha256": ""}})
    with pytest.raises(DataError, match="outside the store"):
        open_store(store.path)
    (Path(store.path) / "manifest.json").write_text('{"format": 1, "files": {}}')
    with pytest.raises(DataError, match=r"manifest is without .*'fingerprint'"):
        open_store(store.path)
    (Path(store.path) / "manifest.json").write_text("{")
    with pytest.raises(DataError, match="JSON is"):
        open_store(store.path)


def test_paths_named_in_the_manifest_cannot_leave_the_store(store: Store) -> None:
    _edit(store, frames="../../etc/passwd")
    with pytest.raises(DataError, match="outside the store"):
        open_store(store.path).sequence(0)


def test_same_frame_in_two_sequences_is_refused(
    tmp_path: Path, make_sequence: Callable[..., SensorSequence]
) -> None:
    writer = StoreWriter(tmp_path / "store", HEADER)
    for part in ("train", "test"):
        writer.write(make_sequence(1, 1, 3, part=part))
    with pytest.raises(DataError, match="not unique"):
        writer.finish()


@pytest.mark.parametrize("name", ["../E01", "", "E01_S01", "a/b", "."])
def test_names_that_are_not_file_names_are_refused(
    tmp_path: Path, make_sequence: Callable[..., SensorSequence], name: str
) -> None:
    sequence = make_sequence(1, 1, 3)
    object.__setattr__(sequence, "environment", name)
    with pytest.raises(DataError, match="letters, digits and hyphens"):
        StoreWriter(tmp_path / "store", HEADER).write(sequence)


@pytest.mark.parametrize("fault", ["shape", "nan", "offsets", "numbers"])
def test_arrays_that_break_the_contract_are_refused(
    tmp_path: Path, make_sequence: Callable[..., SensorSequence], fault: str
) -> None:
    sequence = make_sequence(1, 1, 3)
    if fault == "shape":
        sequence.signals["rgb"] = sequence.signals["rgb"][:2]
    elif fault == "nan":
        sequence.pose[0, 0, 0] = np.nan
    elif fault == "offsets":
        sequence.signals["lidar"].offsets[1] = 10_000
    else:
        sequence.numbers[:] = 1
    with pytest.raises(DataError, match=r"S01.*use pipelines\.cleaning\.assemble"):
        StoreWriter(tmp_path / "store", HEADER).write(sequence)
