"""The splits of MARS (An and Ogras, 2021): by the parts of its source, and across subjects."""

from __future__ import annotations

import polars as pl

from equipose.pipelines.protocols.carving import cameras_of, carve_by_time
from equipose.pipelines.protocols.division import unfit

MARS_SPLITS: tuple[str, ...] = ("time", "subject")
"""`time`: the parts of the source. `subject`: S03 is the test; `subject:S01` leaves another one out."""


def assign_mars(index: pl.DataFrame, split: str) -> pl.DataFrame:
    """The index with the part of every row in a split of MARS; see `Division.assign`."""
    if "" in set(index["part"].unique()):
        raise unfit("MARS", split, "the store's sequences carry no time parts; use P1, P2 or P3")
    if cameras_of(index):
        raise unfit("MARS", split, "the store's sequences name cameras; use H36M, 3DHP or 3DPW")
    kind, _, subject = split.partition(":")
    if kind not in MARS_SPLITS or (subject and kind != "subject"):
        raise ValueError(f"split is {split!r}; use `time`, `subject` or `subject:S01` with protocol MARS")
    if kind == "subject":
        test = pl.col("subject") == (subject or "S03")
        return carve_by_time(index.with_columns(use=_name(test, "test", "train")))
    if "train" in set(index["part"].unique()):
        names = {"train": "train", "validate": "validation", "test": "test"}
        return index.with_columns(use=pl.col("part").replace_strict(names, default=None))
    test = pl.col("part") == "test"
    return carve_by_time(index.with_columns(use=_name(test, "test", "train")))


def _name(condition: pl.Expr, yes: str, no: str) -> pl.Expr:
    return pl.when(condition).then(pl.lit(yes)).otherwise(pl.lit(no))
