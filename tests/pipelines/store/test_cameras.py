"""Sequences of several cameras: one key each, and stores without any stay what they were."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from equipose.pipelines.files.errors import DataError
from equipose.pipelines.sequence import SensorSequence, SequenceKey
from equipose.pipelines.store import Store, StoreHeader, StoreWriter, open_store
from equipose.pipelines.store.format import FORMAT_VERSION, WITH_CAMERAS

Write = Callable[..., Store]
Make = Callable[..., SensorSequence]


@pytest.mark.parametrize(
    ("key", "stem"),
    [
        (SequenceKey("E01", "S01", "A01"), "E01_S01_A01"),
        (SequenceKey("E01", "S01", "A01", "test"), "E01_S01_A01_test"),
        (SequenceKey("E01", "S01", "A01", camera="54138969"), "E01_S01_A01@54138969"),
        (SequenceKey("E01", "S01", "A01", "test", "0"), "E01_S01_A01_test@0"),
    ],
)
def test_file_names_tell_keys_apart(key: SequenceKey, stem: str) -> None:
    assert key.stem == stem
    assert SequenceKey.from_stem(stem) == key


@pytest.mark.parametrize("stem", ["E01_S01", "E01_S01_A01_test_more", ""])
def test_other_file_names_are_no_keys(stem: str) -> None:
    with pytest.raises(ValueError, match=r"values to unpack|too many names"):
        SequenceKey.from_stem(stem)


@pytest.mark.parametrize("camera", ["../x", "a_b", "a@b", "a/b"])
def test_cameras_with_unsafe_names_are_refused(camera: str) -> None:
    with pytest.raises(DataError, match="letters, digits and hyphens"):
        _ = SequenceKey("E01", "S01", "A01", camera=camera).stem


def test_the_same_frames_of_two_cameras_are_two_sequences(write_store: Write, make_sequence: Make) -> None:
    one = make_sequence(1, 1, 4, camera="C1", invalid={"rgb": [1]})
    two = make_sequence(1, 1, 4, camera="C2")
    store = write_store([two, one])
    assert [key.camera for key in store.keys] == ["C1", "C2"]
    assert store.index["camera"].to_list() == ["C1"] * 4 + ["C2"] * 4
    assert store.sequence(0).defects == one.defects
    assert store.defects["camera"].to_list() == ["C1"]
    assert store.frame("E01", "S01", "A01", 2, camera="C1")["rgb"] is None
    assert store.frame("E01", "S01", "A01", 2, camera="C2")["rgb"] is not None
    with pytest.raises(DataError, match=r"camera is ''.*\['C1', 'C2'\]"):
        store.frame("E01", "S01", "A01", 2)
    store.verify()
    again = StoreWriter(store.path, StoreHeader(source="test"))
    again.write(make_sequence(1, 1, 4, camera="C3"))
    assert len(again.finish().keys) == 3
    assert json.loads((Path(store.path) / "manifest.json").read_text())["format"] == WITH_CAMERAS


def test_the_same_frame_of_one_camera_twice_is_refused(write_store: Write, make_sequence: Make) -> None:
    twice = [make_sequence(1, 1, 4, camera="C1", part=part) for part in ("train", "test")]
    with pytest.raises(DataError, match=r"\(subject, action, camera, number\) is not unique"):
        write_store(twice)


def test_without_cameras_the_files_are_as_before(write_store: Write, make_sequence: Make) -> None:
    """Fingerprints and columns must not change for what existed before cameras did."""
    sequence = make_sequence(1, 1, 3, invalid={"rgb": [1]})
    store = write_store([sequence])
    manifest = json.loads((Path(store.path) / "manifest.json").read_text())
    assert manifest["format"] == FORMAT_VERSION == 2
    assert manifest["sequences"][0]["key"] == ["E01", "S01", "A01", ""]
    for kind in ("index", "defects"):
        assert "camera" not in pl.read_parquet(Path(store.path) / manifest[kind]).columns
    opened = open_store(store.path)
    assert opened.index["camera"].to_list() == opened.defects["camera"].to_list() * 3 == [""] * 3
    identity = [["E01", "S01", "A01", ""], sorted(sequence.provenance.items()), 3]
    start = hashlib.sha256(json.dumps(identity).encode())
    assert _digest_after(start.copy(), sequence) == manifest["sequences"][0]["digest"]
    other = dataclasses.replace(sequence, camera="C1")
    assert write_store([other], "other").fingerprint != store.fingerprint


def _digest_after(digest: hashlib._Hash, sequence: SensorSequence) -> str:
    """The rest of a digest, written out: numbers, values, offsets, validity."""
    digest.update(sequence.numbers.astype("<i4").tobytes())
    signals = list(sequence.signals.values())
    for signal in signals:
        values = signal.values if hasattr(signal, "values") else signal
        digest.update(values.astype("<f4").tobytes())
    for signal in signals:
        if hasattr(signal, "offsets"):
            digest.update(signal.offsets.astype("<i8").tobytes())
    for name in sequence.signals:
        digest.update(sequence.valid[name].tobytes())
    return digest.hexdigest()
