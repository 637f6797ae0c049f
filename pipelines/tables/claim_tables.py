"""Tables of the claims about a weak sensor: one per level to read, and one frame of all for scripts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from equipose.pipelines.statistics.claims import STATEMENTS, Claim
from equipose.pipelines.tables.table import Caption, Cell, Table, columns_named


def claims_frame(claims: Iterable[Claim]) -> pl.DataFrame:
    """A row per claim: wording, level, method, number, interval, bound, and whether it holds (`verdict`)."""
    return pl.DataFrame(
        [
            {
                "level": claim.level,
                "claim": claim.statement.name,
                "method": claim.method,
                "value": claim.value,
                "low": claim.low,
                "high": claim.high,
                "bound": claim.statement.bound,
                "side": "below" if claim.statement.below else "above",
                "seeds": claim.seeds,
                "verdict": claim.decision,
            }
            for claim in claims
        ]
    )


def claims_table(claims: Sequence[Claim], level: str, caption: Caption, *, units: str) -> Table:
    """One level: claims in rows, methods in columns, each number with its interval and whether it holds."""
    mine = {(claim.statement.name, claim.method): claim for claim in claims if claim.level == level}
    methods = list(dict.fromkeys(method for _, method in mine))
    rows = [
        (Cell(text=name), *(_cell(mine.get((name, method))) for method in methods))
        for name in STATEMENTS
        if any(claimed == name for claimed, _ in mine)
    ]
    notes = tuple(f"{one.name}: {one.says}." for one in STATEMENTS.values())
    about = (
        f"95 % intervals: of the errors over seeds and {units}, of everything else over seeds; not corrected "
        "for the number of claims."
    )
    caption = replace(caption, alignment="errors without root alignment")
    return Table(
        caption=caption, columns=columns_named(("claim", *methods)), rows=tuple(rows), notes=(about, *notes)
    )


def _cell(claim: Claim | None) -> Cell:
    if claim is None:
        return Cell()
    return Cell(
        value=claim.value,
        interval=(claim.low, claim.high) if np.isfinite(claim.low) else None,
        mark=claim.decision,
        signed=claim.statement.bound == 0,
        decimals=claim.statement.decimals,
    )
