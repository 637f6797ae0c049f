"""Whether what the paper says of its parts comes out: each difference with its interval and a verdict.

The people of the test part are few (two in Human3.6M), so what is found is about them: intervals cover seeds
and what else they would do, not other people. The recordings of one action are a cluster, people are strata.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl

from equipose.orchestrator.unihpe.paper.plan import ABLATED, AS_LONG, LIFTERS, WHOLE, Origin, origins
from equipose.orchestrator.unihpe.results import UnihpeOutcome
from equipose.orchestrator.unihpe.tables import caption
from equipose.pipelines.paper.unihpe import EXACT, PICTURES, UNIHPE_TABLES
from equipose.pipelines.statistics.paired_test import PairedTest, paired_test
from equipose.pipelines.tables.table import Cell, Table, columns_named

LEVEL = 0.95
ERROR = "mpjpe_mm"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One row of a table against another, in one column."""

    table: str
    column: str
    row: str
    reference: str


CLAIMS: tuple[Claim, ...] = (
    *(
        Claim(table="ablation", column=column, row=row, reference=before)
        for column in (EXACT, PICTURES)
        for before, row in pairwise(ABLATED)
    ),
    *(
        Claim(table="ablation", column=column, row=WHOLE, reference=reference)
        for reference in ("none", AS_LONG)
        for column in (EXACT, PICTURES)
    ),
    *(
        Claim(table="parts", column=EXACT, row="transformer+score", reference=row)
        for row in LIFTERS
        if row != "transformer+score"
    ),
)
"""What each part adds in table 6, all of them together, also against as many epochs without alignment, and
table 4's best against the others."""


def difference(outcome: UnihpeOutcome, mine: Origin, theirs: Origin) -> PairedTest | None:
    """Errors of one variant minus those of another, over the seeds that both have; None without any."""
    one, other = (
        {run.seed: run.aligned[origin.data].routes for run in outcome.of(origin.variant)}
        for origin in (mine, theirs)
    )
    seeds = sorted(set(one) & set(other))
    if not seeds:
        return None
    tables = [_by_cluster(one[seed], mine, other[seed], theirs) for seed in seeds]
    first = tables[0]
    strata = first["subject"].rank("dense").to_numpy().astype(np.int64) - 1
    crowded = np.bincount(strata).min() > 1
    return paired_test(
        np.stack([table["difference"].to_numpy() for table in tables]),
        first["frames"].to_numpy().astype(np.float64),
        strata if crowded else None,
    )


def _by_cluster(mine: pl.DataFrame, origin: Origin, theirs: pl.DataFrame, other: Origin) -> pl.DataFrame:
    """A row per subject and action: `difference` of the sums of errors, and `frames`."""
    keys = ["row", "subject", "action"]
    errors = [
        frame.filter(pl.col("route") == where.route, pl.col(ERROR).is_finite()).select(*keys, ERROR)
        for frame, where in ((mine, origin), (theirs, other))
    ]
    both = errors[0].join(errors[1], on=keys, suffix="_other")
    return (
        both.group_by("subject", "action")
        .agg(difference=(pl.col(ERROR) - pl.col(f"{ERROR}_other")).sum(), frames=pl.len())
        .sort("subject", "action")
    )


def verdict(found: PairedTest, published: float | None) -> str:
    """`as in the paper`, `the other way round`, `undecided`, `one seed`, or what was found where the paper
    says nothing."""
    if np.isnan(found.standard_error):
        return "one seed"
    low, high = found.interval(LEVEL)
    if not (low > 0 or high < 0):
        return "undecided"
    if not published:
        return "lower" if high < 0 else "higher"
    return "as in the paper" if (found.difference < 0) == (published < 0) else "the other way round"


def order_table(outcome: UnihpeOutcome, claims: Sequence[Claim] = CLAIMS) -> Table | None:
    """Every claim whose runs are there; None without one."""
    cells = origins(outcome.config)
    rows, sections = [], []
    for claim in claims:
        mine = cells[claim.table].get((claim.row, claim.column))
        theirs = cells[claim.table].get((claim.reference, claim.column))
        found = difference(outcome, mine, theirs) if mine and theirs else None
        if found is None:
            continue
        paper = _published(claim)
        names = UNIHPE_TABLES[claim.table].rows
        rows.append(
            (
                Cell(text=f"{names[claim.row].label}, against {names[claim.reference].label}"),
                Cell(value=paper, signed=True),
                Cell(value=found.difference, interval=found.interval(LEVEL), signed=True),
                Cell(text=verdict(found, paper)),
            )
        )
        sections.append(f"{UNIHPE_TABLES[claim.table].title.split(':')[0]}, {claim.column}")
    if not rows:
        return None
    return Table(
        caption=caption(outcome, "What the paper's order is, and whether it comes out"),
        columns=columns_named(("comparison", "paper Δ MPJPE (mm)", "ours Δ MPJPE (mm)", "verdict")),
        rows=tuple(rows),
        sections=tuple(sections),
        notes=(
            f"Δ: the first minus the second, negative is better; ours with its {LEVEL:.0%} interval over "
            "seeds and actions, for these people only.",
            "Undecided: the interval holds zero. Nothing is said of runs that have not converged.",
        ),
    )


def _published(claim: Claim) -> float | None:
    table = UNIHPE_TABLES[claim.table]
    one, other = (table.cell(row, claim.column).number("value_mm") for row in (claim.row, claim.reference))  # type: ignore[union-attr]
    return None if one is None or other is None else one - other
