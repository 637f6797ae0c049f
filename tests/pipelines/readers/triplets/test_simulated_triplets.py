"""Stores of simulated triplets: prepared, inspected, divided and batched like any other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from equipose.models.sensors.triplet_inputs import context_of, keypoints_in_box
from equipose.models.sensors.triplets import TRIPLET_NAMES
from equipose.pipelines.batches.source import BatchConfig, BatchSource
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.inspection import summarize
from equipose.pipelines.prepare import prepare
from equipose.pipelines.protocols import select
from equipose.pipelines.readers import READERS, TripletSource
from equipose.pipelines.simulator import SimulatorConfig
from equipose.pipelines.store import Store, open_store

SOURCE = TripletSource(
    subjects=("S01", "S05", "S09"),
    actions=("A02",),
    cameras=("C1", "C3"),
    config=SimulatorConfig(frames=24),
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return prepare("simulated_indoor", SOURCE, tmp_path_factory.mktemp("triplets") / "store")


def test_a_store_of_triplets_opens_and_divides(store: Store) -> None:
    opened = open_store(store.path)
    opened.verify()
    assert len(opened) == 3 * 2 * 24
    assert opened.signals.sensors == TRIPLET_NAMES
    parts = select(opened.index, *READERS["simulated_indoor"].default_split)
    assert {name: len(rows) for name, rows in parts.items()} == {"train": 12, "validation": 24, "test": 48}
    summary = summarize(opened)
    assert set(summary.parts) == {("H36M", "time"), ("H36M", "subject")}
    assert "stands in for Human3.6M" in summary.notes[0]
    assert all(label.startswith("simulated:") for labels in summary.provenance.values() for label in labels)


def test_a_batch_holds_the_triplet_and_its_context(store: Store) -> None:
    config = BatchConfig(batch_size=8, modalities=TRIPLET_NAMES)
    batch = next(BatchSource(store, store.index["row"].to_numpy(), config).in_order())
    shapes = {name: tuple(value.shape[1:]) for name, value in batch.inputs.items()}
    assert shapes == {
        "image": (3, 256, 192),
        "keypoints": (17, 3),
        "exact_keypoints": (17, 2),
        "box": (3,),
        "intrinsics": (6,),
    }
    assert 0.05 < float(batch.inputs["image"].mean()) < 0.95
    assert float(batch.inputs["image"].max()) <= 1
    inside = keypoints_in_box(batch.inputs["exact_keypoints"], batch.inputs["box"])
    assert inside.abs().max() < 1
    assert context_of(batch.inputs["box"], batch.inputs["intrinsics"]).isfinite().all()
    optics, pose = batch.inputs["intrinsics"][:, None], batch.pose
    pixels = optics[..., 2:4] * pose[..., :2] / pose[..., 2:] + optics[..., 4:]
    assert torch.allclose(pixels, batch.inputs["exact_keypoints"], atol=0.05)
    assert batch.present.all()


def test_a_store_grows_by_cameras(store: Store, tmp_path: Path) -> None:
    config = SimulatorConfig(frames=3)
    few = TripletSource(subjects=("S01",), actions=("A02",), cameras=("C1",), config=config)
    more = TripletSource(subjects=("S01",), actions=("A02",), cameras=("C1", "C2"), config=config)
    one = prepare("simulated_indoor", few, tmp_path / "store")
    two = prepare("simulated_indoor", more, tmp_path / "store")
    assert (len(one), len(two)) == (3, 6)
    assert np.array_equal(two.sequence(0).pose, one.sequence(0).pose)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"subjects": ("S02",)}, DataError, r"subjects is \('S02',\).*S01, S05"),
        ({"cameras": ("C1", "C1")}, DataError, "use distinct ones of C1"),
        ({"sensors": ("wifi",)}, ValueError, "not part of a triplet"),
        ({"config": SimulatorConfig(informativeness={"image": 0.5})}, ValueError, "no effect on"),
        ({"config": SimulatorConfig(noise={"image": 0.5})}, ValueError, "no effect on"),
    ],
)
def test_impossible_choices_are_refused(changes: dict[str, Any], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        READERS["simulated_indoor"].sequences(TripletSource(**changes))


def test_a_folder_is_no_simulation(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="give a TripletSource"):
        READERS["simulated_outdoor"].sequences(tmp_path)
    assert READERS["simulated_outdoor"].sensors(tmp_path) == TRIPLET_NAMES
