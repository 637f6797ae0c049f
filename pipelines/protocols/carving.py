"""Parts that are carved from a recording by time, with a gap between them."""

from __future__ import annotations

import polars as pl

GAP_FRAMES = 15
"""Frames left out between the training and validation parts of one recording (1.5 s: half of a 27-frame
temporal window and a little more), so that neighbours do not end up on both sides."""
TUNE_SHARE = 0.25
"""Share of a recording's last frames that validate where a part is carved by time."""
SHORTEST = 50
"""Frames of a recording that can be carved into three parts, with some in each."""


def cameras_of(index: pl.DataFrame) -> set[str]:
    """The cameras that sequences of a store name; none where it has no such column."""
    return set(index["camera"].unique()) - {""} if "camera" in index.columns else set()


def carve_by_time(index: pl.DataFrame) -> pl.DataFrame:
    """The last quarter of every training recording validates; the frames of the gap before it are unused."""
    within = ["use", *(["camera"] if "camera" in index.columns else [])]
    here, start = position_in(*within), start_of_the_end(*within)
    use = (
        pl.when(pl.col("use").is_null() | (pl.col("use") != "train"))
        .then(pl.col("use"))
        .when(here > start)
        .then(pl.lit("validation"))
        .when(here > start - GAP_FRAMES)
        .then(None)
        .otherwise(pl.lit("train"))
    )
    return index.with_columns(use=use)


def position_in(*within: str) -> pl.Expr:
    """Of a frame in its recording, from 1."""
    return pl.col("number").rank("ordinal").over("subject", "action", *within)


def start_of_the_end(*within: str) -> pl.Expr:
    """The last position before a recording's last frames."""
    return (pl.len().over("subject", "action", *within) * (1 - TUNE_SHARE)).floor()
