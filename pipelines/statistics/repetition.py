"""Verdicts repeated once on fresh seeds: how many of them come out again."""

from __future__ import annotations

from typing import Any

import polars as pl

DECIDED: tuple[str, ...] = ("helped", "hurt")
"""Verdicts worth repeating."""


def decided(comparison: pl.DataFrame) -> list[str]:
    """Methods with a verdict that is worth repeating, from a table of `judgement.judged`."""
    return comparison.filter(pl.col("judgement").is_in(DECIDED))["method"].to_list()


def repeated(first: pl.DataFrame, again: pl.DataFrame) -> pl.DataFrame:
    """`method`, `judgement`, `difference_mm`, what the repetition found, and whether it agrees.

    first: from `judgement.judged`, of which only decided verdicts count. again: from `comparison.compare` on
    fresh seeds, `verdict` and `difference_mm`. It agrees where the repetition finds the same verdict; a
    difference of the same sign that is not beyond chance is `same sign`.
    """
    found = {row["method"]: row for row in again.iter_rows(named=True)}
    rows: list[dict[str, Any]] = []
    for row in first.filter(pl.col("judgement").is_in(DECIDED)).iter_rows(named=True):
        other = found.get(row["method"])
        if other is not None:
            rows.append(
                {
                    "method": row["method"],
                    "judgement": row["judgement"],
                    "difference_mm": row["difference_mm"],
                    "again": other["verdict"],
                    "again_mm": other["difference_mm"],
                    "agreement": agreement(row, other),
                }
            )
    schema: dict[str, Any] = {
        "method": pl.String, "judgement": pl.String, "difference_mm": pl.Float64,
        "again": pl.String, "again_mm": pl.Float64, "agreement": pl.String,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema)


def agreement(first: dict[str, Any], again: dict[str, Any]) -> str:
    """`yes`, `same sign` or `no`."""
    if again["verdict"] == first["judgement"]:
        return "yes"
    return "same sign" if again["difference_mm"] * first["difference_mm"] > 0 else "no"
