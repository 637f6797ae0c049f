"""Rules for frames that do not change: every frozen or constant one is found, and nothing else is touched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from equipose.models.sensors import DEFAULT_SENSORS
from equipose.pipelines.cleaning import assemble
from equipose.pipelines.prepare import prepare
from equipose.pipelines.readers import SimulatedReader, SimulatedSource
from equipose.pipelines.sequence import REASONS, RawSequence, SensorSequence
from equipose.pipelines.simulator import SimulatorConfig
from equipose.pipelines.store import SequenceKey

SOURCE = SimulatedSource(
    subjects=("S01",), actions=("A02", "A13"), config=SimulatorConfig(frames=12, radar_empty=0.3)
)
KEY = SequenceKey("E01", "S01", "A13")
FROZEN = (3, 4, 5, 9)
"""Offsets of frames that repeat the one before."""


def raw() -> RawSequence:
    return SimulatedReader().read(SOURCE, KEY)


def frozen(sequence: RawSequence, name: str) -> RawSequence:
    """The sequence with a sensor that stands still now and then."""
    for offset in FROZEN:
        before = sequence.frames[name][offset - 1]
        sequence.frames[name][offset] = np.array(before) if isinstance(before, np.ndarray) else before
    return sequence


def reasons(sequence: SensorSequence, name: str) -> dict[int, str]:
    """Frame number -> reason."""
    return {d.frame: d.reason for d in sequence.defects if d.modality == name and d.frame is not None}


@pytest.mark.parametrize("name", DEFAULT_SENSORS)
def test_every_frozen_frame_is_found_and_no_other(name: str) -> None:
    sequence = frozen(raw(), name)
    usable = assemble(sequence).valid[name]
    found = assemble(sequence, strict=(name,))
    stuck = [number for number, reason in reasons(found, name).items() if reason == "stuck"]
    # A frame that repeats an empty one is empty too, and has its reason already.
    assert stuck == [int(sequence.numbers[n]) for n in FROZEN if usable[n]]
    assert stuck
    assert (found.valid[name] == usable & ~np.isin(np.arange(12), FROZEN)).all()


@pytest.mark.parametrize("name", DEFAULT_SENSORS)
def test_without_being_asked_nothing_is_marked(name: str) -> None:
    found = assemble(frozen(raw(), name))
    assert "stuck" not in reasons(found, name).values()
    others = [other for other in DEFAULT_SENSORS if other != name]
    assert "stuck" not in reasons(assemble(frozen(raw(), name), strict=others), name).values()


@pytest.mark.parametrize("frame", [np.zeros((17, 2)), np.tile([320.0, 240.0], (17, 1))])
def test_key_points_in_one_place_are_no_reading(frame: NDArray[np.float64]) -> None:
    sequence = raw()
    sequence.frames["rgb"][4] = frame
    sequence.frames["rgb"][6] = sequence.frames["rgb"][3]
    found = reasons(assemble(sequence, strict=("rgb",)), "rgb")
    assert found == {int(sequence.numbers[4]): "constant"}
    assert set(found.values()) <= set(REASONS)
    assert not reasons(assemble(sequence), "rgb")


def test_a_sensor_that_stays_frozen_across_a_gap() -> None:
    sequence = raw()
    first = sequence.frames["rgb"][3]
    sequence.frames["rgb"][4], sequence.frames["rgb"][5] = np.zeros((3, 3)), first
    found = reasons(assemble(sequence, strict=("rgb",)), "rgb")
    assert [found[int(sequence.numbers[n])] for n in (4, 5)] == ["shape", "stuck"]


def test_an_empty_radar_frame_keeps_its_reason() -> None:
    sequence = raw()
    for offset in (2, 3):
        sequence.frames["mmwave"][offset] = np.empty((0, 5))
    found = reasons(assemble(sequence, strict=("mmwave",)), "mmwave")
    assert {found[int(sequence.numbers[n])] for n in (2, 3)} == {"empty-file"}


def test_the_simulated_store_stays_as_it_is(tmp_path: Path) -> None:
    """No rule acts on it, and without the option its header does not know of it."""
    plain = prepare("simulated", SOURCE, tmp_path / "plain")
    strict = prepare("simulated", SOURCE, tmp_path / "strict", strict=("wifi", *DEFAULT_SENSORS[:3]))
    assert "strict" not in plain.header["settings"]
    assert strict.header["settings"]["strict"] == list(DEFAULT_SENSORS)
    assert plain.index.equals(strict.index)
    assert plain.defects.equals(strict.defects)
    assert set(plain.defects["reason"]) == {"empty-file"}
    for environment, subject, action, number in plain.index.select(
        "environment", "subject", "action", "number"
    ).rows():
        one, other = (store.frame(environment, subject, action, number) for store in (plain, strict))
        for name, value in one.items():
            assert np.array_equal(value, other[name]), name


def test_a_name_that_the_store_lacks(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"strict names \['depth'\]; the store holds"):
        prepare("simulated", SOURCE, tmp_path / "store", strict=("depth",))
