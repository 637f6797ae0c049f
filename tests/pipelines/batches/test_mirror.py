"""Mirrored triplets: picture, key points, box, camera and pose stay one scene; rows are drawn singly."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from equipose.models.batch import Batch
from equipose.models.sensors import ImageView
from equipose.models.sensors.triplet_inputs import SIDES, context_of, keypoints_in_box
from equipose.models.sensors.triplets import CROP
from equipose.pipelines.batches.mirror import drawn, mirrored_rows
from equipose.pipelines.batches.source import BatchConfig, BatchSource
from equipose.pipelines.prepare import prepare
from equipose.pipelines.readers import TripletSource
from equipose.pipelines.simulator import SimulatorConfig
from equipose.pipelines.store import Store, open_store

ROWS = np.arange(8)
CONFIG = BatchConfig(
    batch_size=4,
    modalities=("image", "keypoints"),
    context=("box", "intrinsics"),
    targets=("exact_keypoints",),
    flip=0.5,
    seed=3,
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Eight frames of two cameras."""
    source = TripletSource(
        subjects=("S01",), actions=("A02",), cameras=("C1", "C3"), config=SimulatorConfig(frames=4)
    )
    return prepare("simulated_indoor", source, tmp_path_factory.mktemp("triplets") / "store")


def joined(batches: Iterable[Batch]) -> dict[str, torch.Tensor]:
    """Every tensor that a mirror could change, by its name, all batches together."""
    parts = [
        {**b.inputs, **b.context, **b.targets, "pose": b.pose, "index": b.index, "present": b.present}
        for b in batches
    ]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def trained(store: Store, epoch: int | None = 0, **changes: object) -> dict[str, torch.Tensor]:
    config = replace(CONFIG, **changes)  # type: ignore[arg-type]
    return joined(BatchSource(store, ROWS, config).batches(ROWS, epoch=epoch))


def in_crop(pixels: torch.Tensor, box: torch.Tensor) -> torch.Tensor:
    """[B, J, 2] px of the crop."""
    return keypoints_in_box(pixels, box) * CROP[1] / 2 + torch.tensor(CROP) / 2


def test_a_mirrored_row_is_one_scene(store: Store) -> None:
    plain, turned = trained(store, flip=0.0), trained(store, flip=1.0)
    pose, camera = turned["pose"], turned["intrinsics"]
    projected = pose[..., :2] / pose[..., 2:] * camera[:, None, 2:4] + camera[:, None, 4:6]
    torch.testing.assert_close(projected, turned["exact_keypoints"], atol=0.01, rtol=0)
    before, after = context_of(plain["box"], plain["intrinsics"]), context_of(turned["box"], camera)
    torch.testing.assert_close(after, before * torch.tensor([-1.0, 1.0, 1.0]), atol=1e-5, rtol=0)
    assert (before[:, 0].abs() > 1e-3).all()


def test_key_points_land_on_the_mirrored_picture(store: Store) -> None:
    plain, turned = trained(store, flip=0.0), trained(store, flip=1.0)
    for name in ("keypoints", "exact_keypoints"):
        was, now = (in_crop(part[name], part["box"]) for part in (plain, turned))
        inside = ((now > 0) & (now < torch.tensor(CROP))).all(-1)
        assert inside.float().mean() > 0.9
        column, row = now.floor().long().clamp(min=0).unbind(-1)
        torch.testing.assert_close(CROP[0] - now[..., 0], was[:, SIDES, 0], atol=1e-2, rtol=0)
        for b, j in inside.nonzero().tolist():
            here = turned["image"][b, :, row[b, j], column[b, j]]
            there = plain["image"][b, :, row[b, j], (CROP[0] - 1 - column[b, j])]
            assert torch.equal(here, there)


def test_twice_mirrored_is_the_original(store: Store) -> None:
    plain = next(BatchSource(store, ROWS, replace(CONFIG, batch_size=8)).batches(ROWS, epoch=None))
    twice = mirrored_rows(mirrored_rows(plain, np.ones(8, np.bool_)), np.ones(8, np.bool_))
    for name, value in joined([plain]).items():
        torch.testing.assert_close(joined([twice])[name], value, atol=1e-4, rtol=0)


def test_a_thinned_picture_is_turned_before_it_is_thinned(store: Store) -> None:
    whole = trained(store, flip=1.0)
    half = trained(store, flip=1.0, views={"image": ImageView(stride=2)})
    assert torch.equal(half["image"], whole["image"][..., ::2, ::2])


def test_rows_are_drawn_by_seed_epoch_and_row_alone(store: Store) -> None:
    source = BatchSource(store, ROWS, CONFIG)
    alone = joined(source.batches(ROWS, epoch=2))
    plain = trained(store, flip=0.0)
    same = (alone["pose"] == plain["pose"]).flatten(1).all(1)
    assert 0 < same.sum() < 8, "some rows are mirrored"
    ranks = [list(source.batches(ROWS, epoch=2, rank=rank, world_size=2)) for rank in (0, 1)]
    other = [batch for step in zip(*ranks, strict=True) for batch in step]
    for found in (
        joined(other),
        joined([*source.batches(ROWS, epoch=2, batch_size=3)]),
        joined([next(source.batches(ROWS, epoch=2)), *source.batches(ROWS, epoch=2, start_step=1)]),
    ):
        for name, value in alone.items():
            assert torch.equal(found[name], value), name
    later = [trained(store, epoch)["pose"] for epoch in range(3, 7)]
    assert any(not torch.equal(pose, alone["pose"]) for pose in later)
    many = np.arange(20_000)
    assert drawn(many, 0.25, 1).mean() == pytest.approx(0.25, abs=0.01)


def test_nothing_is_mirrored_outside_training(store: Store) -> None:
    plain = trained(store, flip=0.0)
    source = BatchSource(store, ROWS, replace(CONFIG, flip=1.0))
    for batches in (source.in_order(), source.share(0, 1), source.batches(ROWS, epoch=None)):
        for name, value in joined(batches).items():
            assert torch.equal(value, plain[name]), name


def test_what_is_unknown_stays_so(store: Store, tmp_path: Path) -> None:
    shutil.copytree(store.path, tmp_path / "store")
    blind = open_store(tmp_path / "store")
    invalid = {"keypoints": 1, "intrinsics": 2, "box": 3, "exact_keypoints": 4}
    blind.index = blind.index.with_columns(
        (pl.col(f"valid_{name}") & (pl.col("row") != row)).alias(f"valid_{name}")
        for name, row in invalid.items()
    )
    plain, turned = trained(blind, flip=0.0), trained(blind, flip=1.0)
    assert not turned["keypoints"][1].any()
    assert not turned["intrinsics"][2].any()
    assert torch.equal(turned["box"][2], plain["box"][2]), "an unknown camera leaves the box where it is"
    torch.testing.assert_close(
        turned["keypoints"][2, :, 0], 2 * plain["box"][2, 0] - plain["keypoints"][2, SIDES, 0]
    )
    assert torch.equal(turned["image"][3], plain["image"][3]), "a row without a box is left as it is"
    assert torch.equal(turned["pose"][3], plain["pose"][3])
    assert turned["exact_keypoints"][4].isnan().all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"flip": 1.5}, r"batch.flip must lie in \[0, 1\], got 1.5"),
        ({"context": ("box",)}, r"needs \['box', 'intrinsics'\] in batch.context"),
        ({"modalities": ("image", "lidar")}, r"mirrors triplets alone, not \['lidar'\]"),
    ],
)
def test_what_cannot_be_mirrored_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(CONFIG, views={}, **changes)  # type: ignore[arg-type]
