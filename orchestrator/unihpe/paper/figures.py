"""UniHPE's figures: how alike the views become, how they lie in the space, and where poses go wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from equipose.balancing.evaluation_mode import evaluating
from equipose.models.alignment.config import IMAGE, KEYPOINTS, SKELETON
from equipose.models.alignment.model import AlignedModel
from equipose.models.alignment.sphere import unit
from equipose.orchestrator.checkpoints.trained_model import TrainedModel, load_model
from equipose.orchestrator.paper.figures import PaperFigure
from equipose.orchestrator.training.passes import show_gallery
from equipose.orchestrator.unihpe.paper.plan import ABLATED, WHOLE
from equipose.orchestrator.unihpe.results import TrainedVariant, UnihpeOutcome
from equipose.pipelines.batches.sharding import evenly_spaced
from equipose.pipelines.batches.source import BatchSource
from equipose.pipelines.figures import (
    best_median_worst,
    curve_panels,
    feature_map,
    interval_panels,
    skeleton_overlay,
)

ROUTES = ("image>pose", "keypoints>pose")
ERROR = "mpjpe_mm"
MAPPED = 300
"""Frames in the map of the space."""
QUARTERS = ("least sure quarter", "second quarter", "third quarter", "surest quarter")
NAMES: Mapping[str, str] = {"none": "decoders alone", "pairs": "pairs", "no token": "pairs and triplets"}
"""Variant -> name above its panel of cosines."""


def unihpe_figures(outcome: UnihpeOutcome) -> list[PaperFigure]:
    """All figures of which the runs are there; pictures of single frames are those of the first seed."""
    provenance = outcome.trained[0].aligned[""].provenance
    found = [_cosines(outcome, provenance), _retrieval(outcome, provenance)]
    whole = outcome.of(WHOLE)
    if whole:
        trained = load_model(whole[0].results[-1].folder / whole[0].specs[-1].select)
        found += [
            _space(whole[0], trained, provenance),
            _skeletons(whole[0], trained, provenance),
            _sureness(whole[0], trained, provenance),
        ]
    return [figure for figure in found if figure is not None]


def cosine_history(runs: list[TrainedVariant], sensor: str) -> NDArray[np.float64]:
    """[S, E] mean cosine of a sensor's embeddings with the skeletons' after every epoch of all stages; NaN in
    stages that the sensor is no part of."""
    name = f"val/cosine/{sensor}"
    return np.array([[value for result in run.results for value in result.series(name)] for run in runs])


def _cosines(outcome: UnihpeOutcome, provenance: str) -> PaperFigure | None:
    shown = {name: outcome.of(name) for name in NAMES if outcome.of(name)}
    if not shown:
        return None
    panels = {
        NAMES[name]: {sensor: cosine_history(runs, sensor) for sensor in (IMAGE, KEYPOINTS)}
        for name, runs in shown.items()
    }
    last = "; ".join(
        f"{name}: " + ", ".join(f"{sensor} {series[:, -1].mean():.2f}" for sensor, series in panel.items())
        for name, panel in panels.items()
    )
    return PaperFigure(
        name="cosines",
        title="Cosine with the skeleton",
        caption="Mean cosine of the embeddings of validation frames with those of their skeletons, after "
        "every epoch, stage after stage. A high cosine alone is no alignment: see retrieval.",
        alt=f"Cosines over the epochs; at the end {last}.",
        figure=curve_panels(
            panels, provenance, ylabel="cosine with the skeleton", title="Cosine with the skeleton"
        ),
    )


def _retrieval(outcome: UnihpeOutcome, provenance: str) -> PaperFigure | None:
    """R@1 of every row of table 6, in the directions that end at the skeleton."""
    shown = [name for name in ABLATED if outcome.of(name)]
    panels: dict[str, dict[str, tuple[float, float, float]]] = {}
    for source in (KEYPOINTS, IMAGE):
        panel = {}
        for name in shown:
            found = [
                100 * one.recall_at_1
                for run in outcome.of(name)
                if (alignment := run.aligned[""].alignment) is not None
                for one in alignment.directions
                if one.direction == f"{source}>{SKELETON}"
            ]
            if found:
                panel[name] = (float(np.mean(found)), min(found), max(found))
        if panel:
            panels[f"{source} to\n{SKELETON}"] = panel
    if not panels:
        return None
    words = "; ".join(
        f"{direction.replace(chr(10), ' ')}: " + ", ".join(f"{n} {v[0]:.0f} %" for n, v in panel.items())
        for direction, panel in panels.items()
    )
    return PaperFigure(
        name="retrieval",
        title="Retrieval",
        caption="Share of test frames whose own skeleton is the most similar in the gallery; bars from the "
        "least to the most over seeds.",
        alt=f"R@1 of the variants. {words}.",
        figure=interval_panels(panels, provenance, xlabel="R@1 (%), range over seeds", title="Retrieval"),
    )


def _pass(trained: TrainedModel, rows: NDArray[np.int64]) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """(embeddings [N, D] of every view, poses [N, 17, 3] m) of rows of the store."""
    model, source = trained.model, trained.batches(rows)
    assert isinstance(model, AlignedModel)
    with torch.no_grad(), evaluating(model):
        batches = list(source.in_order())
        parts = [model(batch).embeddings for batch in batches]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}, torch.cat(
        [batch.pose for batch in batches]
    )


def _test_rows(run: TrainedVariant, route: str = ROUTES[0]) -> pl.DataFrame:
    return run.aligned[""].routes.filter(pl.col("route") == route).sort("row")


def _space(run: TrainedVariant, trained: TrainedModel, provenance: str) -> PaperFigure:
    rows = _test_rows(run)["row"].to_numpy().astype(np.int64)
    embeddings, _ = _pass(trained, rows[evenly_spaced(len(rows), MAPPED)])
    return PaperFigure(
        name="space",
        title="The shared space",
        caption="Embeddings of the same test frames from all views, as a t-SNE map of unit vectors: where "
        "the views agree, their points lie together.",
        alt=f"Map of the embeddings of {', '.join(embeddings)}.",
        figure=feature_map(
            {name: unit(x).numpy() for name, x in embeddings.items()},
            provenance,
            seed=run.seed,
            title="Embeddings of each view (t-SNE)",
        ),
    )


def _skeletons(run: TrainedVariant, trained: TrainedModel, provenance: str) -> PaperFigure:
    table = _test_rows(run)
    chosen = best_median_worst(table[ERROR].to_numpy())
    embeddings, truth = _pass(trained, table["row"].to_numpy()[chosen].astype(np.int64))
    model = trained.model
    assert isinstance(model, AlignedModel)
    show_gallery(model, trained.batches(table["row"].to_numpy().astype(np.int64)))
    with torch.no_grad(), evaluating(model):
        poses = {name: model.pose_of(embeddings[name], name).numpy() for name in (IMAGE, KEYPOINTS)}
    about = table[chosen.tolist()]
    words = ", ".join(f"{row['subject']} {row['action']} {row[ERROR]:.0f} mm" for row in about.to_dicts())
    return PaperFigure(
        name="worst",
        title="Best, median and worst picture",
        caption="The test frames with the best, median and worst error of image to pose, from the front and "
        "the side: truth thick and grey.",
        alt=f"Skeletons of three test frames beside the truth; errors from the picture: {words}.",
        figure=skeleton_overlay(truth.numpy(), poses, provenance),
    )


def _sureness(run: TrainedVariant, trained: TrainedModel, provenance: str) -> PaperFigure:
    """Errors by how sure the detector is of a frame's key points, which says how much is hidden."""
    tables = {route: _test_rows(run, route) for route in ROUTES}
    sure = _confidence(trained, tables[ROUTES[0]]["row"].to_numpy().astype(np.int64))
    quarter = np.argsort(np.argsort(sure, kind="stable"), kind="stable") * len(QUARTERS) // len(sure)
    panels = {
        route: {
            name: _with_interval(table[ERROR].to_numpy()[quarter == number])
            for number, name in enumerate(QUARTERS)
        }
        for route, table in tables.items()
    }
    words = "; ".join(
        f"{route}: " + ", ".join(f"{name} {found[0]:.0f} mm" for name, found in panel.items())
        for route, panel in panels.items()
    )
    return PaperFigure(
        name="occlusion",
        title="Hidden joints",
        caption="MPJPE of test frames by the mean confidence of their detected key points, which is low "
        "where joints are hidden; bars hold the middle half of the frames.",
        alt=f"Errors by how sure the detector is. {words}.",
        figure=interval_panels(
            panels, provenance, xlabel="MPJPE (mm), middle half of the frames", title="Hidden joints"
        ),
    )


def _confidence(trained: TrainedModel, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """[N] mean over joints of the detector's confidence in rows of the store; no picture is decoded."""
    batch = trained.config.data.batch
    seen = replace(batch, modalities=(KEYPOINTS,), views={KEYPOINTS: batch.views[KEYPOINTS]})
    batches = BatchSource(trained.open_store(), rows, seen).in_order()
    return np.concatenate([found.inputs[KEYPOINTS][..., 2].mean(1).numpy() for found in batches])


def _with_interval(errors: NDArray[np.float64]) -> tuple[float, float, float]:
    if not len(errors):
        return float("nan"), float("nan"), float("nan")
    low, middle, high = np.quantile(errors, [0.25, 0.5, 0.75])
    return float(middle), float(low), float(high)
