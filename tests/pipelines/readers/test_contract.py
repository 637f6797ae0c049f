"""What every registered reader promises, on a small source of each."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from equipose.pipelines.cleaning import assemble
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.readers import READERS, SimulatedSource, TripletSource, reader_of
from equipose.pipelines.readers.contract import check_key, name_of
from equipose.pipelines.sequence import REASONS, Defect, RawSequence
from equipose.pipelines.simulator import SimulatorConfig
from equipose.pipelines.store import SequenceKey


@pytest.fixture(params=sorted(READERS))
def source(request: pytest.FixtureRequest, tree: Path, write_mars: Callable[..., Path]) -> tuple[str, Any]:
    """(name, root) of a small source; every registered reader must have one here."""
    roots: dict[str, Callable[[], Any]] = {
        "mmfi": lambda: tree,
        "mars": write_mars,
        "simulated": lambda: SimulatedSource(
            subjects=("S01", "S12"), actions=("A02",), config=SimulatorConfig(frames=4)
        ),
        "h36m": lambda: request.getfixturevalue("lifting"),
        "mpi_inf_3dhp": lambda: request.getfixturevalue("mpi"),
        "three_dpw": lambda: request.getfixturevalue("dpw"),
        **{
            f"simulated_{name}": lambda subject=subject: TripletSource(
                subjects=(subject,), actions=("A13",), config=SimulatorConfig(frames=2)
            )
            for name, subject in (("indoor", "S09"), ("outdoor", "S31"), ("moving", "S37"))
        },
    }
    return request.param, roots[request.param]()


def same(a: RawSequence, b: RawSequence) -> bool:
    """Whether two raw sequences hold the same numbers and defects."""
    pairs = [(x, y) for name in a.frames for x, y in zip(a.frames[name], b.frames[name], strict=True)]
    return a.frames.keys() == b.frames.keys() and all(
        x == y if isinstance(x, Defect) or isinstance(y, Defect) else np.array_equal(x, y, equal_nan=True)
        for x, y in pairs
    )


def test_lists_sorted_unique_safe_keys(source: tuple[str, Any]) -> None:
    name, root = source
    keys = READERS[name].sequences(root)
    assert keys
    assert keys == sorted(set(keys))
    assert [check_key(key) for key in keys] == keys


def test_reading_is_repeatable_and_independent_of_order(source: tuple[str, Any]) -> None:
    name, root = source
    keys = READERS[name].sequences(root)[:2]
    forward = [READERS[name].read(root, key) for key in keys]
    again = pickle.loads(pickle.dumps(READERS[name]))
    backward = [again.read(root, key) for key in reversed(keys)][::-1]
    assert all(same(a, b) for a, b in zip(forward, backward, strict=True))


def test_sequences_are_complete_labelled_and_clean_up(source: tuple[str, Any]) -> None:
    name, root = source
    for key in READERS[name].sequences(root)[:3]:
        raw = READERS[name].read(root, key)
        assert SequenceKey(raw.environment, raw.subject, raw.action, raw.part, raw.camera) == key
        assert set(raw.provenance) == set(raw.frames)
        for frames in raw.frames.values():
            assert len(frames) == len(raw.numbers)
        clean = assemble(raw, READERS[name].sensors(root))
        assert (np.diff(clean.numbers) > 0).all()
        for signal in clean.signals:
            label = clean.provenance[signal]
            assert label == "real" or label.startswith("simulated:")
            invalid = int((~clean.valid[signal]).sum())
            explained = [d for d in clean.defects if d.modality == signal and d not in raw.remarks]
            assert len(explained) == invalid or [d.frame for d in explained] == [None]
            assert {d.reason for d in explained} <= set(REASONS)


def test_settings_are_json_and_notes_are_texts(source: tuple[str, Any]) -> None:
    name, root = source
    settings = READERS[name].settings(root)
    assert json.loads(json.dumps(settings)) is not None
    assert all(isinstance(note, str) for note in READERS[name].notes(root))


@pytest.mark.parametrize(
    "key",
    [
        ("..", "S01", "A01", ""),
        ("E01", "/etc", "A01", ""),
        ("E01", "S01", "A01/../..", ""),
        ("E01", "S01", "A01", "../x"),
        ("E01", "S01", "A01", "", "../x"),
    ],
)
def test_hostile_keys_are_refused(source: tuple[str, Any], key: tuple[str, ...]) -> None:
    name, root = source
    with pytest.raises(DataError, match=r"sequence key"):
        READERS[name].read(root, SequenceKey(*key))


@pytest.mark.parametrize("name", ["mmfi", "mars"])
def test_unusable_roots_give_one_clear_error(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    (tmp_path / "other" / "photos").mkdir(parents=True)
    for place in ("empty", "file", "other", "absent"):
        with pytest.raises(DataError, match=f"{tmp_path / place}.*give the folder that holds"):
            READERS[name].sequences(tmp_path / place)


def test_unknown_source_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"coco.*simulated.*mars.*mmfi"):
        reader_of("coco")


@pytest.mark.parametrize("bad", [{"subjects": ()}, {"subjects": ("S41",)}, {"actions": ("A02", "A02")}])
def test_a_simulated_source_checks_its_codes(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"use distinct codes"):
        SimulatedSource(**{"subjects": ("S01",), "actions": ("A01",)} | bad)


def test_names_of_keys_leave_out_an_empty_part() -> None:
    assert name_of(SequenceKey("E01", "S01", "A01")) == "E01/S01/A01"
    assert name_of(SequenceKey("E01", "S01", "A01", "test")) == "E01/S01/A01/test"
