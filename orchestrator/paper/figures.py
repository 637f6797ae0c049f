"""The figures of the paper's tables: sensors while they train, and skeletons.

Curves stand side by side without balancing, with OGM-GE and with AWC: in the ablations' fusion, and the
contributions also under attention, as the paper shows them. Each figure comes with a caption and with words
for readers who cannot see it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.figure import Figure

from equipose.orchestrator.comparison.figures import curves, skeletons
from equipose.orchestrator.comparison.motion import clip_of_runs
from equipose.orchestrator.comparison.results import EvaluatedRun, SettingOutcome
from equipose.orchestrator.grid.variants import REFERENCE
from equipose.pipelines.figures import curve_panels
from equipose.pipelines.paper.awc import FUSIONS
from equipose.pipelines.player import MotionPanel, motion_panel
from equipose.pipelines.report.html import ReportFigure, png_bytes

METHOD_NAMES: dict[str, str] = {REFERENCE: "no balancing", "ogm_ge": "OGM-GE", "awc": "AWC"}
"""The methods whose training the figures show, as they are called there."""
WITH_SKELETONS = (REFERENCE, "awc")


@dataclass(frozen=True, kw_only=True)
class CurveKind:
    """One quantity per sensor over the epochs."""

    title: str
    caption: str
    metric: str
    """Tracking name, `{}` for the sensor."""
    unit: str = ""
    ylabel: str
    zero: bool = True
    """Whether the axis shows the line of zero."""


CURVES: dict[str, CurveKind] = {
    "contributions": CurveKind(
        title="Contribution of each sensor",
        caption="Shapley value of every sensor after each epoch, on the validation part.",
        metric="shapley/{}",
        ylabel="Shapley contribution",
    ),
    "spread": CurveKind(
        title="Standard deviation of the joint predictions",
        caption="Of the predictions from one sensor alone, the features of the others zero, after each "
        "epoch: a sensor whose predictions hardly move has collapsed to one pose.",
        metric="spread/{}_mm",
        unit=" mm",
        ylabel="standard deviation (mm)",
    ),
    "mean": CurveKind(
        title="Mean of the joint predictions",
        caption="Of the predictions from one sensor alone, over frames and coordinates, after each epoch.",
        metric="mean/{}_mm",
        unit=" mm",
        ylabel="mean (mm)",
        zero=False,
    ),
}
"""Kind of figure -> what it shows."""


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
    """Every quantity in the first setting (concatenation, P1), contributions under attention, skeletons."""
    if not settings:
        return []
    first, *others = settings
    attention = replace(first.setting, fusion="attention")
    made = [_curves(kind, first, provenance) for kind in CURVES]
    made += [_curves("contributions", other, provenance) for other in others if other.setting == attention]
    return [*made, _skeletons(first, provenance)]


def paper_motions(settings: Sequence[SettingOutcome]) -> list[MotionPanel]:
    """One test sequence of the first setting in motion, with the methods that the skeletons show."""
    if not settings:
        return []
    runs, called = _with_skeletons(settings[0])
    caption = (
        f"The test sequence with the median error of {called[0]}; {_where(settings[0])}, seed {runs[0].seed}."
    )
    return [motion_panel(clip_of_runs(runs, called), caption)]


def _shown(setting: SettingOutcome) -> dict[str, list[EvaluatedRun]]:
    """Name of a method -> its runs, seed by seed."""
    return {name: setting.of(method) for method, name in METHOD_NAMES.items() if method in setting.methods}


def _where(setting: SettingOutcome) -> str:
    return f"{FUSIONS[setting.setting.fusion]}, {setting.setting.protocol}"


def _curves(kind: str, setting: SettingOutcome, provenance: str) -> PaperFigure:
    """One quantity over the epochs, a panel per method."""
    what, shown, where = CURVES[kind], _shown(setting), _where(setting)
    seeds = len(next(iter(shown.values())))
    windows = {name: window for name, runs in shown.items() if (window := _window(runs[0])) is not None}
    return PaperFigure(
        name=f"{kind}-{setting.setting.fusion}",
        title=f"{what.title}, {where}",
        caption=f"{what.caption} From left to right: {', '.join(shown)}; "
        + ("one seed." if seeds == 1 else f"line and band: mean and spread over {seeds} seeds."),
        alt=f"{what.title} over the epochs. "
        + " ".join(f"{name}: {last_values(runs, what)}." for name, runs in shown.items()),
        figure=curve_panels(
            {name: curves(runs, what.metric, setting.modalities) for name, runs in shown.items()},
            provenance,
            windows=windows,
            ylabel=what.ylabel,
            title=f"{what.title} ({where})",
            zero=what.zero,
        ),
    )


def _window(run: EvaluatedRun) -> range | None:
    """The epochs of a run in which its method acts; None where it acts in all of them."""
    config = run.result.config
    active = config.method.active
    return None if active is None else range(active.start, min(active.stop, config.epochs))


def last_values(runs: Sequence[EvaluatedRun], kind: CurveKind) -> str:
    """`after the last of 12 epochs rgb 4.1, lidar 2.0`: means over seeds."""
    found = curves(runs, kind.metric, runs[0].evaluation.modalities)
    epochs = next(iter(found.values())).shape[1]
    values = ", ".join(f"{name} {np.mean(series[:, -1]):.2f}{kind.unit}" for name, series in found.items())
    return f"after the last of {epochs} epochs {values}" if epochs > 1 else f"after the only epoch {values}"


def _with_skeletons(setting: SettingOutcome) -> tuple[list[EvaluatedRun], list[str]]:
    """(first seed of the methods whose predictions are drawn, their names)."""
    runs = [setting.of(method)[0] for method in WITH_SKELETONS if method in setting.methods]
    return runs, [METHOD_NAMES[run.method] for run in runs]


def _skeletons(setting: SettingOutcome, provenance: str) -> PaperFigure:
    runs, called = _with_skeletons(setting)
    names = " and ".join(called)
    errors = ", ".join(
        f"{name} {run.evaluation.mpjpe_mm:.1f} mm" for name, run in zip(called, runs, strict=True)
    )
    return PaperFigure(
        name="skeletons",
        title="Predicted skeletons",
        caption=f"The test frames with the best, median and worst error of {called[0]}, from "
        f"the front and the side: truth thick and grey, predictions of {names} in colour. {_where(setting)}, "
        f"seed {runs[0].seed}.",
        alt=f"Best, median and worst test frame as skeletons, truth beside the predictions of {names}; "
        f"MPJPE over all test frames: {errors}.",
        figure=skeletons(runs, provenance),
    )
