"""What protocols of all sources share: how a store is refused, and a part for tuning carved by time."""

from __future__ import annotations

import polars as pl

from equipose.pipelines.files.errors import DataError

GAP_FRAMES = 15
"""Frames left out between the training and validation parts of one recording (1.5 s: half of a 27-frame
temporal window and a little more), so that neighbours do not end up on both sides."""
TUNE_SHARE = 0.25
"""Share of a recording's last frames that validate where a part is carved by time."""


def unfit(protocol: str, split: str, why: str) -> DataError:
    """Why a store cannot be divided so; to be raised."""
    return DataError(f"protocol {protocol}, split {split}, does not fit this store: {why}")


def named(condition: pl.Expr, yes: str, no: str) -> pl.Expr:
    """One of two texts, by a condition on the row."""
    return pl.when(condition).then(pl.lit(yes)).otherwise(pl.lit(no))


def cameras_of(index: pl.DataFrame) -> set[str]:
    """The cameras that sequences of a store name; none where it has no such column."""
    return set(index["camera"].unique()) - {""} if "camera" in index.columns else set()


def carve_by_time(index: pl.DataFrame) -> pl.DataFrame:
    """The last quarter of every training recording validates; the frames of the gap before it are unused."""
    recording = ["subject", "action", *(["camera"] if "camera" in index.columns else []), "use"]
    position = pl.col("number").rank("ordinal").over(recording)
    start = (pl.len().over(recording) * (1 - TUNE_SHARE)).floor()
    use = (
        pl.when(pl.col("use") != "train")
        .then(pl.col("use"))
        .when(position > start)
        .then(pl.lit("validation"))
        .when(position > start - GAP_FRAMES)
        .then(None)
        .otherwise(pl.lit("train"))
    )
    return index.with_columns(use=use)
