"""The tables of a UniHPE job: routes from one view to another, retrieval, and contributions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from equipose.models.alignment.config import POSE
from equipose.orchestrator.unihpe.results import UnihpeOutcome
from equipose.pipelines.tables.table import ALIGNMENTS, Caption, Cell, Table, columns_named, ranked

ERRORS: tuple[tuple[str, str, bool, int], ...] = (
    ("mpjpe_mm", "MPJPE", False, 1),
    ("pa_mpjpe_mm", "PA-MPJPE", False, 1),
    ("n_mpjpe_mm", "N-MPJPE", False, 1),
    ("pa_mpjpe_j14_mm", "PA-MPJPE J14", False, 1),
    ("pck_share", "PCK@0.05 (%)", True, 1),
    ("epe_px", "EPE (px)", False, 2),
)
"""Error, its name, whether higher is better, decimals."""
OVER_ACTIONS = "MPJPE over actions"
PER_CENT = 100.0
ROUTE_NOTES: tuple[str, ...] = (
    "skeleton>pose is a bound: what is lost on the way into the space and out of it again.",
    "PCK@0.05: joints within 0.05 of the longer side of the annotated box, 1/1.25 of the crop's; EPE in "
    "pixels of the whole picture.",
    "over actions: the mean over actions of their means, in place of the mean over frames.",
)
RETRIEVAL_NOTES: tuple[str, ...] = (
    "R@k: share of rows of the gallery whose own row of the other view is among the k most similar.",
    "retrieved: error of the pose of the most similar row; cosine: with the own row; gap: distance between "
    "the mean directions of the two views.",
)


def unihpe_tables(outcome: UnihpeOutcome) -> dict[str, Table]:
    """File name -> table; those that no variant has numbers for are left out."""
    also = {f"routes-{name}": routes_table(outcome, name) for name in outcome.config.also}
    found = {"routes": routes_table(outcome), **also}
    if any(one.gallery for one in outcome.trained):
        found["retrieval"] = retrieval_table(outcome)
    if any(one.evaluation for one in outcome.trained):
        found["contributions"] = contributions_table(outcome)
    return found


def caption(outcome: UnihpeOutcome, title: str, data: str = "") -> Caption:
    """What the numbers come from."""
    one = outcome.trained[0]
    config = outcome.config.also[data] if data else outcome.config.data
    routes = one.aligned[data].routes
    return Caption(
        title=title,
        provenance=one.aligned[data].provenance,
        protocol=config.protocol,
        split=config.split,
        frames=routes["row"].n_unique(),
        fingerprint=outcome.fingerprint,
        alignment=ALIGNMENTS[config.batch.origin],
    )


def mean_cell(values: Sequence[float], decimals: int = 1, factor: float = 1.0) -> Cell:
    """Mean over seeds with their standard deviation and number; blank without values."""
    if not values:
        return Cell()
    numbers = factor * np.array(values)
    spread = float(numbers.std(ddof=1)) if len(numbers) > 1 else None
    return Cell(value=float(numbers.mean()), std=spread, n=len(numbers), decimals=decimals)


def routes_table(outcome: UnihpeOutcome, data: str = "") -> Table:
    """Every variant with its errors on every way from one view to another; ranks are among variants."""
    routes = list(
        dict.fromkeys(
            route
            for one in outcome.trained
            for route in one.aligned[data].routes["route"].unique(maintain_order=True)
        )
    )
    names = outcome.config.methods
    cells: dict[tuple[str, str], dict[str, Cell]] = {}
    for route in routes:
        for error, label, higher, decimals in ERRORS:
            factor = PER_CENT if error == "pck_share" else 1.0
            found = {n: mean_cell(outcome.error(n, route, error, data), decimals, factor) for n in names}
            cells[route, label] = ranked(found, higher)
        cells[route, OVER_ACTIONS] = {n: mean_cell(_over_actions(outcome, n, route, data)) for n in names}
    columns = ("MPJPE", OVER_ACTIONS, *(label for _, label, _, _ in ERRORS[1:]))
    lines = [
        (name, (Cell(text=route), *(cells[route, column][name] for column in columns)))
        for name in names
        for route in routes
        if any(not cells[route, column][name].blank for column in columns)
    ]
    labels = {one.variant.name: one.aligned[data].label for one in outcome.trained}
    title = "Errors of every way from one view to another" + (f", {data}" if data else "")
    return Table(
        caption=caption(outcome, title, data),
        columns=columns_named(("route", *columns)),
        rows=tuple(row for _, row in lines),
        sections=tuple(f"{name} ({labels[name]})" for name, _ in lines),
        notes=ROUTE_NOTES,
    )


def _over_actions(outcome: UnihpeOutcome, variant: str, route: str, data: str) -> list[float]:
    found = [one.aligned[data].mean(route, "mpjpe_mm", by="action") for one in outcome.of(variant)]
    return [value for value in found if value is not None]


def retrieval_table(outcome: UnihpeOutcome) -> Table:
    """Every variant with embeddings, and direction: recall, the retrieved pose, and how the two views lie to
    each other."""
    rows, sections = [], []
    fields = (
        ("recall_at_1", PER_CENT, 1),
        ("recall_at_5", PER_CENT, 1),
        ("recall_at_10", PER_CENT, 1),
        ("retrieved_mpjpe_mm", 1.0, 1),
        ("cosine", 1.0, 3),
        ("gap", 1.0, 3),
    )
    alignments = {
        name: [found for one in outcome.of(name) if (found := one.aligned[""].alignment)]
        for name in outcome.config.methods
    }
    for name, measured in alignments.items():
        runs = [{d.direction: d for d in one.directions} for one in measured]
        for direction in runs[0] if runs else ():
            cells = [
                mean_cell([getattr(run[direction], field) for run in runs], decimals, factor)
                for field, factor, decimals in fields
            ]
            rows.append((Cell(text=direction), *cells))
            sections.append(name)
    size = next(one.gallery for measured in alignments.values() for one in measured)
    chance = f"by chance R@1 is {PER_CENT / size:.2f} %"
    return Table(
        caption=caption(outcome, f"Retrieval in a gallery of {size} rows; {chance}"),
        columns=columns_named(
            ("direction", "R@1 (%)", "R@5 (%)", "R@10 (%)", "retrieved (mm)", "cosine", "gap")
        ),
        rows=tuple(rows),
        sections=tuple(sections),
        notes=RETRIEVAL_NOTES,
    )


def contributions_table(outcome: UnihpeOutcome) -> Table:
    """Shapley contributions of the sensors to the pose, and the error with each alone and all together."""
    rows = []
    evaluations = {
        name: [found for one in outcome.of(name) if (found := one.evaluation)]
        for name in outcome.config.methods
    }
    sensors = max((one.modalities for runs in evaluations.values() for one in runs), key=len)
    for name, runs in evaluations.items():
        if not runs:
            continue
        places = {sensor: m for m, sensor in enumerate(runs[0].modalities)}
        shares = [
            mean_cell([float(run.report.shapley[places[sensor]]) for run in runs], 3)
            if sensor in places
            else Cell()
            for sensor in sensors
        ]
        rows.append((Cell(text=name), *shares, mean_cell([run.mpjpe_mm for run in runs])))
    return Table(
        caption=caption(outcome, "Shapley contributions of the sensors to the pose"),
        columns=columns_named(("variant", *sensors, f"all to {POSE} MPJPE")),
        rows=tuple(rows),
        notes=("The pose of several sensors is that of the mean of their directions in the space.",),
    )
