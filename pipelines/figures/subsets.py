"""Error per modality subset, for one method or several, over one seed or several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from equipose.pipelines.figures.style import method_colour, method_hatch, new_figure, tidy

MAX_LABELLED = 16
"""More bars than this get no numbers; they would overlap."""
MAX_ABREAST = 64
"""More bars than this are drawn in several rows; they would be too thin to tell apart."""

Errors = Mapping[str, ArrayLike]
"""subset -> mm, or mm of every seed."""


def as_methods(errors: Errors | Mapping[str, Errors]) -> dict[str, Errors]:
    """method -> subset -> mm; a plain subset -> mm becomes the one method `""`."""
    if not errors:
        raise ValueError("errors is empty; give at least one subset")
    if all(isinstance(value, Mapping) for value in errors.values()):
        return dict(cast("Mapping[str, Errors]", errors))
    return {"": cast("Errors", errors)}


def mean_and_deviation(values: ArrayLike) -> tuple[float, float]:
    """Mean and sample standard deviation of the finite values; NaN where there are too few."""
    known = np.asarray(values, dtype=np.float64).ravel()
    known = known[np.isfinite(known)]
    mean = float(known.mean()) if len(known) else np.nan
    return mean, float(known.std(ddof=1)) if len(known) > 1 else np.nan


def subset_bars(
    errors: Errors | Mapping[str, Errors],
    provenance: str,
    *,
    metric: str = "MPJPE (mm)",
    title: str = "Error per sensor subset",
) -> Figure:
    """Bars of subset -> mm, or method -> subset -> mm; subsets in the order given, by number of sensors.

    Where mm is a list over seeds, the bar is their mean with a whisker of one standard deviation. A subset
    that a method lacks has no bar. Many bars are spread over several rows with one scale.
    """
    methods = as_methods(errors)
    subsets = sorted(dict.fromkeys(name for values in methods.values() for name in values), key=len)
    rows = ceil(len(subsets) * len(methods) / MAX_ABREAST)
    parts = [list(part) for part in np.array_split(np.array(subsets, dtype=object), rows)]
    figure = new_figure(provenance, height=4.2 + 2.2 * (rows - 1))
    grid = figure.subplots(rows, squeeze=False, sharey=True)[:, 0]
    for axes, part in zip(grid, parts, strict=True):
        _draw(tidy(axes, "", "", metric), methods, part)
    grid[0].set_title(title + _seeds(methods), fontsize=11)
    grid[-1].set_xlabel("sensors present")
    if len(methods) > 1:
        handles, labels = grid[0].get_legend_handles_labels()
        figure.legend(handles, labels, ncols=min(5, len(methods)), loc="outside upper center", frameon=False)
    return figure


def _seeds(methods: Mapping[str, Errors]) -> str:
    seeds = max(np.size(value) for values in methods.values() for value in values.values())
    return f", mean ± std over {seeds} seeds" if seeds > 1 else ""


def _draw(axes: Axes, methods: Mapping[str, Errors], subsets: Sequence[str]) -> None:
    """Groups of bars, one per subset, one bar per method."""
    axes.grid(visible=False, axis="x")
    places, width = np.arange(len(subsets)), 0.8 / len(methods)
    for i, (name, values) in enumerate(methods.items()):
        found = np.array([mean_and_deviation(values.get(subset, np.nan)) for subset in subsets])
        left = places + (i - (len(methods) - 1) / 2) * width
        look: dict[str, Any] = {
            "color": method_colour(i + 1),
            "hatch": method_hatch(i),
            "edgecolor": "white",
            "linewidth": 0,
        }
        axes.bar(left, found[:, 0], 0.92 * width, label=name, **look)
        if np.isfinite(found[:, 1]).any():
            axes.errorbar(
                left, found[:, 0], found[:, 1], fmt="none", ecolor="#777777", elinewidth=0.8, capsize=1.5
            )
        if len(subsets) * len(methods) <= MAX_LABELLED:
            _label(axes, left, found)
    axes.set_xticks(places, subsets)
    axes.set_xlim(-0.6, len(subsets) - 0.4)


def _label(axes: Axes, places: NDArray[np.floating], found: NDArray[np.floating]) -> None:
    """The rounded mean above every bar and its whisker; found: [bars, (mean, deviation)]."""
    for place, (mean, spread) in zip(places, found, strict=True):
        if np.isfinite(mean):
            top = mean + (spread if np.isfinite(spread) else 0.0)
            axes.annotate(
                f"{mean:.0f}", (place, top), (0, 2), textcoords="offset points", ha="center", size=8
            )
