"""What a sweep found: its history, which parameters mattered, which combinations were good."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from equipose.pipelines.figures.style import method_colour, new_figure, tidy

Trials = pl.DataFrame | Iterable[Mapping[str, Any]]
"""One row per trial: parameters and the objective under their names."""

LOG_RATIO = 50.0
"""A positive parameter that spans more than this factor is drawn on a logarithmic axis."""


def rows_of(trials: Trials, objective: str) -> list[dict[str, Any]]:
    """Trials with a finite objective, in order; raises `ValueError` when none has one."""
    rows = trials.to_dicts() if isinstance(trials, pl.DataFrame) else [dict(row) for row in trials]
    finished = [row for row in rows if row.get(objective) is not None and np.isfinite(row[objective])]
    if not finished:
        raise ValueError(f"none of {len(rows)} trials has a finite {objective!r}; check its name or the runs")
    return finished


def sweep_importance(importance: Mapping[str, float], provenance: str, *, objective: str = "") -> Figure:
    """Bars of parameter -> importance (shares that sum to 1), the largest on top."""
    ordered = sorted(importance.items(), key=lambda item: item[1])
    figure = new_figure(provenance, height=1.5 + 0.4 * len(ordered))
    of = f" for {objective}" if objective else ""
    axes = tidy(figure.subplots(), f"Parameter importance{of}", "importance (share)")
    bars = axes.barh([name for name, _ in ordered], [value for _, value in ordered], color=method_colour(1))
    axes.bar_label(bars, fmt="%.2f", padding=3, fontsize=9)
    axes.grid(visible=False, axis="y")
    axes.margins(x=0.1)
    return figure


def sweep_history(trials: Trials, objective: str, provenance: str) -> Figure:
    """Objective of every trial in order, and the best so far (lower is better)."""
    rows = rows_of(trials, objective)
    values = np.array([row[objective] for row in rows], dtype=np.float64)
    numbers = np.arange(len(values))
    figure = new_figure(provenance)
    axes = tidy(figure.subplots(), "Sweep history", "trial", objective)
    axes.plot(numbers, values, "o", color=method_colour(1), label="trial")
    best = np.minimum.accumulate(values)
    axes.step(numbers, best, where="post", color=method_colour(2), linewidth=1.5, label="best so far")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False)
    return figure


def positions(values: Sequence[Any]) -> tuple[NDArray[np.float64], list[tuple[float, str]]]:
    """Heights in [0, 1] of one parameter's values, and its ticks as (height, label).

    Numbers are scaled between their extremes, logarithmically when they span a wide range; anything else
    gets one evenly spaced place per distinct value. A missing value has height NaN.
    """
    known = [value for value in values if value is not None]
    if known and all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in known):
        return _number_positions(np.array([np.nan if v is None else v for v in values], dtype=np.float64))
    names = sorted({str(value) for value in known})
    place = {name: (i / (len(names) - 1) if len(names) > 1 else 0.5) for i, name in enumerate(names)}
    heights = np.array([np.nan if value is None else place[str(value)] for value in values])
    return heights, [(height, name) for name, height in place.items()]


def _number_positions(numbers: NDArray[np.float64]) -> tuple[NDArray[np.float64], list[tuple[float, str]]]:
    low, high = float(np.nanmin(numbers)), float(np.nanmax(numbers))
    if low == high:
        return np.where(np.isnan(numbers), np.nan, 0.5), [(0.5, f"{low:.3g}")]
    logarithmic = low > 0 and high / low > LOG_RATIO
    scaled = np.log(numbers) if logarithmic else numbers
    bottom, top = np.nanmin(scaled), np.nanmax(scaled)
    heights = (scaled - bottom) / (top - bottom)
    fractions = np.linspace(0.0, 1.0, 5)
    marks = bottom + fractions * (top - bottom)
    labels = np.exp(marks) if logarithmic else marks
    return heights, [(float(f), f"{label:.3g}") for f, label in zip(fractions, labels, strict=True)]


def _draw_axis(axes: Axes, place: int, ticks: list[tuple[float, str]]) -> None:
    axes.axvline(place, color="#999999", linewidth=1.0, zorder=1)
    box = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 0.8}
    for height, label in ticks:
        axes.plot([place - 0.02, place + 0.02], [height, height], color="#999999", linewidth=1.0, zorder=1)
        axes.text(place + 0.04, height, label, fontsize=8, va="center", bbox=box, zorder=6)


def parallel_coordinates(
    trials: Trials, objective: str, provenance: str, *, params: Sequence[str] | None = None
) -> Figure:
    """One line per trial through its parameters to the objective; dark lines are good (low).

    params: names and order of the axes; default: every column but the objective that varies.
    """
    rows = rows_of(trials, objective)
    names = params or [n for n in rows[0] if n != objective and len({str(row.get(n)) for row in rows}) > 1]
    values = np.array([row[objective] for row in rows], dtype=np.float64)
    columns = [*names, objective]
    scaled = [positions([row.get(name) for row in rows]) for name in columns]
    norm = Normalize(values.min(), values.max())
    colours = ScalarMappable(norm, "viridis")
    figure = new_figure(provenance)
    axes = figure.subplots()
    for i in np.argsort(-values):  # the best last, on top
        heights = [height[i] for height, _ in scaled]
        good = values[i] == values.min()
        axes.plot(heights, color=colours.to_rgba(values[i]), linewidth=2.5 if good else 1.2, zorder=3)
    for place, (_, ticks) in enumerate(scaled):
        _draw_axis(axes, place, ticks)
    axes.set_title(f"{len(rows)} trials, the best in bold", fontsize=11)
    axes.set_xticks(range(len(columns)), [name.replace(".", ".\n").replace("/", "/\n") for name in columns])
    axes.set_yticks([])
    axes.set_xlim(-0.15, len(columns) - 0.6)
    axes.spines[:].set_visible(False)
    figure.colorbar(colours, ax=axes, label=objective, pad=0.01)
    return figure
