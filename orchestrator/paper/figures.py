"""The figures of the paper's tables: sensors while they train, and skeletons.

Each comes with a caption and with words for readers who cannot see it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from equipose.orchestrator.comparison.figures import curve_figures, curves, skeletons
from equipose.orchestrator.comparison.results import EvaluatedRun, SettingOutcome
from equipose.orchestrator.grid.variants import REFERENCE
from equipose.pipelines.paper.awc import FUSIONS
from equipose.pipelines.report.html import ReportFigure, png_bytes

SHOWN = (REFERENCE, "awc")
"""The methods whose training the figures show."""
METHOD_NAMES: dict[str, str] = {REFERENCE: "no balancing", "awc": "AWC"}


@dataclass(frozen=True, kw_only=True)
class CurveKind:
    """One quantity per sensor over the epochs."""

    title: str
    caption: str
    metric: str
    """Tracking name, `{}` for the sensor."""
    unit: str = ""


CURVES: dict[str, CurveKind] = {
    "contributions": CurveKind(
        title="Contribution of each sensor",
        caption="Shapley value of every sensor after each epoch, on the validation part.",
        metric="shapley/{}",
    ),
    "spread": CurveKind(
        title="Standard deviation of the joint predictions",
        caption="Of the predictions from one sensor alone, the features of the others zero, after each "
        "epoch: a sensor whose predictions hardly move has collapsed to one pose.",
        metric="spread/{}_mm",
        unit=" mm",
    ),
    "mean": CurveKind(
        title="Mean of the joint predictions",
        caption="Of the predictions from one sensor alone, over frames and coordinates, after each epoch.",
        metric="mean/{}_mm",
        unit=" mm",
    ),
}
"""Kind of figure, as `comparison.figures.curve_figures` names it -> what it shows."""


@dataclass(frozen=True, kw_only=True)
class PaperFigure:
    """A figure with what must stand beside it."""

    name: str
    """Of its files."""
    title: str
    caption: str
    alt: str
    figure: Figure

    def in_report(self, provenance: str) -> ReportFigure:
        """As the HTML report takes it."""
        return ReportFigure(
            title=self.title,
            data=png_bytes(self.figure),
            alt=self.alt,
            caption=self.caption,
            provenance=provenance,
        )


def paper_figures(settings: Sequence[SettingOutcome], provenance: str) -> list[PaperFigure]:
    """Of the first setting (concatenation, P1): each quantity without and with AWC, then skeletons."""
    if not settings:
        return []
    first = settings[0]
    where = f"{FUSIONS[first.setting.fusion]}, {first.setting.protocol}"
    shown = [method for method in SHOWN if method in first.methods]
    drawn = {m: curve_figures(METHOD_NAMES[m], first.of(m), provenance) for m in shown}
    made = [
        _curve(kind, method, first.of(method), drawn[method][f"{kind}-{METHOD_NAMES[method]}"], where)
        for kind in CURVES
        for method in shown
    ]
    return [*made, _skeletons(first, shown, provenance, where)]


def _curve(kind: str, method: str, runs: Sequence[EvaluatedRun], figure: Figure, where: str) -> PaperFigure:
    what, seeds = CURVES[kind], len(runs)
    name = METHOD_NAMES[method]
    return PaperFigure(
        name=f"{kind}-{method}",
        title=f"{what.title}, {name}",
        caption=f"{what.caption} {where}; "
        + ("one seed." if seeds == 1 else f"line and band: mean and spread over {seeds} seeds."),
        alt=f"{what.title} over the epochs, {name}: {last_values(runs, what)}.",
        figure=figure,
    )


def last_values(runs: Sequence[EvaluatedRun], kind: CurveKind) -> str:
    """`after the last of 12 epochs rgb 4.1, lidar 2.0`: means over seeds."""
    found = curves(runs, kind.metric, runs[0].evaluation.modalities)
    epochs = next(iter(found.values())).shape[1]
    values = ", ".join(f"{name} {np.mean(series[:, -1]):.2f}{kind.unit}" for name, series in found.items())
    return f"after the last of {epochs} epochs {values}" if epochs > 1 else f"after the only epoch {values}"


def _skeletons(setting: SettingOutcome, shown: Sequence[str], provenance: str, where: str) -> PaperFigure:
    runs = [setting.of(method)[0] for method in shown]
    names = " and ".join(METHOD_NAMES[method] for method in shown)
    errors = ", ".join(f"{METHOD_NAMES[r.method]} {r.evaluation.mpjpe_mm:.1f} mm" for r in runs)
    return PaperFigure(
        name="skeletons",
        title="Predicted skeletons",
        caption=f"The test frames with the best, median and worst error of {METHOD_NAMES[shown[0]]}, from "
        f"the front and the side: truth thick and grey, predictions of {names} in colour. {where}, seed "
        f"{runs[0].seed}.",
        alt=f"Best, median and worst test frame as skeletons, truth beside the predictions of {names}; "
        f"MPJPE over all test frames: {errors}.",
        figure=skeletons(runs, provenance),
    )
