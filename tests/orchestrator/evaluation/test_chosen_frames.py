"""Frames by part, what the model has seen of them, and stores that do not fit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from equipose.models.sensors import SENSORS, Grid
from equipose.orchestrator.checkpoints.trained_model import TrainedModel, load_model
from equipose.orchestrator.evaluation import chosen_frames as module
from equipose.orchestrator.evaluation.chosen_frames import choose_frames, held_sensors
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.protocols import assign, select
from equipose.pipelines.store import Store, StoreHeader, StoreWriter
from equipose.pipelines.store.signals import StoredSignals


@pytest.fixture(scope="module")
def trained(trained_run: Path) -> TrainedModel:
    return load_model(trained_run)


def part_of(store: Store, sequences: Iterable[int], folder: Path, sensors: tuple[str, ...] = ()) -> Store:
    """Some recordings of a store, with some of its sensors."""
    signals = StoredSignals.of(sensors) if sensors else store.signals
    writer = StoreWriter(folder, StoreHeader(source="test", signals=signals))
    for i in sequences:
        whole = store.sequence(i)
        writer.write(
            replace(
                whole,
                valid={name: whole.valid[name] for name in signals.names},
                signals={name: whole.signals[name] for name in signals.names},
                provenance={name: whole.provenance[name] for name in signals.names},
            )
        )
    return writer.finish()


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_parts_are_those_of_the_training(trained: TrainedModel, small_store: Store, part: str) -> None:
    chosen = choose_frames(trained, small_store, part=part)
    expected = select(small_store.index, "P1", "S1")[part].to_numpy()
    assert np.array_equal(chosen.rows, expected)
    assert (chosen.protocol, chosen.split) == ("P1", f"S1, {part} part")
    assert chosen.seen == (len(expected) if part == "train" else 0)
    words = {"train": "was trained on 120 of these 120", "validation": "was chosen on validation", "test": ""}
    assert words[part] in " ".join(chosen.doubts)
    assert bool(chosen.doubts) == (part != "test")


def test_another_split_shows_what_was_seen(trained: TrainedModel, small_store: Store) -> None:
    chosen = choose_frames(trained, small_store, split="S3")
    training = select(small_store.index, "P1", "S1")["train"].to_numpy()
    assert chosen.seen == int(np.isin(chosen.rows, training).sum()) > 0
    assert choose_frames(trained, small_store).fingerprint != chosen.fingerprint


def test_all_frames_of_a_store_that_no_protocol_divides(
    trained: TrainedModel, small_store: Store, tmp_path: Path
) -> None:
    few = part_of(small_store, [0], tmp_path / "few")
    chosen = choose_frames(trained, few, part="all")
    assert len(chosen.rows) == 12
    assert chosen.seen is None, "other data than that of the training: unknown"
    assert chosen.doubts == []
    use = assign(few.index, "P1", "S1")["use"][0]
    for part in {"train", "validation", "test"} - {use}:
        with pytest.raises(DataError, match=r"is 0; .*`--part all` takes every frame"):
            choose_frames(trained, few, part=part)


def test_unknown_names_are_refused(trained: TrainedModel, small_store: Store) -> None:
    for names, message in (
        ({"part": "tset"}, "part is 'tset'"),
        ({"protocol": "P9"}, "protocol is 'P9'"),
        ({"split": "S9"}, "split is 'S9'"),
        ({"part": "all", "split": "S2"}, "--part all takes every frame; leave out --protocol and --split"),
    ):
        with pytest.raises(ValueError, match=message):
            choose_frames(trained, small_store, **names)


def test_sensors_are_those_of_model_and_store(
    trained: TrainedModel, small_store: Store, tmp_path: Path
) -> None:
    few = part_of(small_store, [0], tmp_path / "few", ("rgb", "lidar"))
    assert held_sensors(trained, small_store) == trained.sensors
    assert held_sensors(trained, few, ("lidar", "rgb")) == ("rgb", "lidar")
    with pytest.raises(DataError, match=r"sensors is rgb lidar, without mmwave wifi; .*predict --sensors"):
        held_sensors(trained, few)
    for wrong in (("sonar",), ("depth",), ("rgb", "rgb")):
        with pytest.raises(ValueError, match="name some of the model's, each once: rgb lidar mmwave wifi"):
            held_sensors(trained, few, wrong)


def test_another_layout_is_refused(
    trained: TrainedModel, small_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = replace(SENSORS["wifi"], layout=Grid(shape=(3, 56, 10), channel_axis=0, extremes=True))
    monkeypatch.setattr(module, "sensor_of", lambda name: changed if name == "wifi" else SENSORS[name])
    with pytest.raises(DataError, match=r"layout of wifi is .*114.*the model needs .*56"):
        held_sensors(trained, small_store)
