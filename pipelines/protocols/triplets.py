"""Protocols of sets of image, 2D and 3D triplets: Human3.6M, MPI-INF-3DHP, 3DPW.

Simulated sets have the same parts. 3D poses are relative to the pelvis in all three.
"""

from __future__ import annotations

import polars as pl

from equipose.pipelines.protocols.carving import cameras_of, carve_by_time
from equipose.pipelines.protocols.division import unfit

H36M_TRAIN, H36M_TEST = ("S01", "S05", "S06", "S07", "S08"), ("S09", "S11")
H36M_PARTS = {"", "first", "second", "third"}
"""Takes of an action; simulated sets have one, without a name."""
H36M_SPLITS: tuple[str, ...] = ("time", "subject")
"""`time`: the end of each training recording tunes. `subject`: S08 tunes, and does not train."""
MOVING_CAMERA = "moving"
"""Name of the camera of 3DPW's sequences."""
SMPL12_CAMERA = "movingSmpl12"
"""The same of sequences whose poses have the joints `equipose.models.skeleton.SMPL12` alone."""


def _triplets(index: pl.DataFrame, protocol: str, split: str, camera: str | None, parts: set[str]) -> None:
    """Raise unless this is a store of triplets with those parts, of that moving camera, or of fixed ones."""
    cameras, native = cameras_of(index), set(index["part"].unique())
    if not cameras:
        raise unfit(protocol, split, "the store's sequences name no cameras; use P1, P2, P3 or MARS")
    if SMPL12_CAMERA in cameras and camera != SMPL12_CAMERA:
        why = f"its poses have twelve joints and the pelvis (camera {SMPL12_CAMERA}); use 3DPW-smpl12"
        raise unfit(protocol, split, why)
    fitting = cameras == {camera} if camera else MOVING_CAMERA not in cameras
    if not fitting or not native <= parts:
        found = f"cameras {sorted(cameras)[:8]} and parts {sorted(native)}"
        raise unfit(protocol, split, f"it has {found}, parts {sorted(parts)} are expected")


def assign_h36m(index: pl.DataFrame, split: str) -> pl.DataFrame:
    """Human3.6M: S01, S05, S06, S07, S08 train, S09 and S11 test, as in published work."""
    if split not in H36M_SPLITS:
        raise ValueError(f"split is {split!r}; use one of {list(H36M_SPLITS)} with protocol H36M")
    _triplets(index, "H36M", split, camera=None, parts=H36M_PARTS)
    train = list(H36M_TRAIN[:-1] if split == "subject" else H36M_TRAIN)
    use = (
        pl.when(pl.col("subject").is_in(train))
        .then(pl.lit("train"))
        .when(pl.col("subject").is_in(H36M_TEST))
        .then(pl.lit("test"))
        .when(pl.col("subject") == H36M_TRAIN[-1])
        .then(pl.lit("validation"))
    )
    found = index.with_columns(use=use)
    return carve_by_time(found) if split == "time" else found


def assign_3dhp(index: pl.DataFrame, split: str) -> pl.DataFrame:
    """MPI-INF-3DHP: its own training and test sequences."""
    if split != "time":
        raise ValueError(f"split is {split!r}; use 'time' with protocol 3DHP")
    _triplets(index, "3DHP", split, camera=None, parts={"train", "test"})
    return carve_by_time(index.with_columns(use=pl.col("part")))


def assign_joined(index: pl.DataFrame, split: str) -> pl.DataFrame:
    """Human3.6M as by itself, and the training sequences of MPI-INF-3DHP to train on as well.

    They are told apart by their parts. Nothing of MPI-INF-3DHP tunes or tests, so results stand beside those
    of training on Human3.6M alone.
    """
    outdoor = pl.col("part").is_in(["train", "test"])
    lab, others = index.filter(~outdoor), index.filter(outdoor)
    if lab.is_empty() or others.is_empty():
        raise unfit(
            "H36M+3DHP", split, "it lacks sequences of one of the two; join both, or use H36M or 3DHP"
        )
    divided = assign_h36m(lab, split)
    used = others.with_columns(use=pl.when(pl.col("part") == "train").then(pl.lit("train")))
    return pl.concat([divided, used.select(divided.columns)]).sort("row")


def assign_3dpw(
    index: pl.DataFrame, split: str, protocol: str = "3DPW", camera: str = MOVING_CAMERA
) -> pl.DataFrame:
    """3DPW: its own parts; published work on triplets uses the test part alone."""
    if split != "test":
        raise ValueError(f"split is {split!r}; use 'test' with protocol {protocol}")
    _triplets(index, protocol, split, camera=camera, parts={"train", "validation", "test"})
    return index.with_columns(use=pl.col("part"))
