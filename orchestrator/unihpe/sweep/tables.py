"""The tables of a sweep of an alignment: what was tried, and what the best setting gains on the test part."""

from __future__ import annotations

from dataclasses import replace

from equipose.orchestrator.unihpe.sweep.config import OBJECTIVE
from equipose.orchestrator.unihpe.sweep.dials import typed
from equipose.orchestrator.unihpe.sweep.results import JUDGED, AlignSweepOutcome
from equipose.orchestrator.unihpe.tables import caption, mean_cell, unihpe_tables
from equipose.pipelines.tables.table import Cell, Table, columns_named

BEST_OF = (
    "One seed per setting, and the best of several tries looks better than it is: only the test part, with "
    "seeds that no trial had, tells whether it is."
)


def sweep_tables(outcome: AlignSweepOutcome) -> dict[str, Table]:
    """File name -> table: gains, settings that were tried, and those that every UniHPE job has."""
    first = {"gains": gains_table(outcome)} if outcome.tuned else {}
    return {**first, "settings": trials_table(outcome), **unihpe_tables(outcome.test)}


def trials_table(outcome: AlignSweepOutcome) -> Table:
    """Every trial, the best first: state, dials, and its error on the validation part."""
    search, config = outcome.search, outcome.search.config
    [space] = config.searches()
    dials = [dial.name for dial in space.dials]
    rows: list[tuple[Cell, ...]] = []
    for row in search.trials.sort(OBJECTIVE, nulls_last=True).iter_rows(named=True):
        values = search.values[row["trial"]]
        words = [typed({name: values[name]})[0].partition("=")[2] if name in values else "" for name in dials]
        state = f"{row['state']}, default" if row["own"] else row["state"]
        cells = [Cell(text=row["trial"]), Cell(text=state), *(Cell(text=word) for word in words)]
        rows.append((*cells, Cell(value=row[OBJECTIVE], rank="" if rows else "best")))
    title = f"Trials, by the error of {JUDGED} ({config.judged_by}) on the validation part"
    return Table(
        caption=replace(caption(outcome.test, title), frames=outcome.frames),
        columns=columns_named(("trial", "state", *dials, "error")),
        rows=tuple(rows),
        notes=(BEST_OF, "A dial without effect is blank."),
    )


def gains_table(outcome: AlignSweepOutcome) -> Table:
    """Default and best setting on every route to a pose of the test part, and the difference by seed."""
    rows = [
        (
            Cell(text=gain.route),
            mean_cell(gain.default_mm),
            mean_cell(gain.tuned_mm),
            replace(mean_cell(gain.gains_mm), signed=True),
            Cell(text=f"{gain.better} of {len(gain.gains_mm)}"),
        )
        for gain in outcome.gains()
    ]
    return Table(
        caption=caption(outcome.test, "The best setting beside the default one on the test part, MPJPE"),
        columns=columns_named(("route", "default", "tuned", "gain", "seeds in which tuned is better")),
        rows=tuple(rows),
        notes=(f"tuned: {' '.join(outcome.search.overrides)}", "gain: default less tuned, paired by seed."),
    )
