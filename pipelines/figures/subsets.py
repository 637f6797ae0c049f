"""Error per modality subset, for one method or several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np
from matplotlib.figure import Figure

from pipelines.figures.style import method_colour, new_figure, tidy

MAX_LABELLED = 16
"""More bars than this get no numbers; they would overlap."""


def as_methods(
    errors: Mapping[str, float] | Mapping[str, Mapping[str, float]],
) -> dict[str, Mapping[str, float]]:
    """method -> subset -> mm; a plain subset -> mm becomes the one method `""`."""
    if not errors:
        raise ValueError("errors is empty; give at least one subset")
    if all(isinstance(value, Mapping) for value in errors.values()):
        return dict(cast("Mapping[str, Mapping[str, float]]", errors))
    return {"": cast("Mapping[str, float]", errors)}


def subset_bars(
    errors: Mapping[str, float] | Mapping[str, Mapping[str, float]],
    provenance: str,
    *,
    metric: str = "MPJPE (mm)",
    title: str = "Error per sensor subset",
) -> Figure:
    """Bars of subset -> mm, or method -> subset -> mm; subsets in the order given, by number of sensors.

    A subset that a method lacks has no bar.
    """
    methods = as_methods(errors)
    subsets = sorted(dict.fromkeys(name for values in methods.values() for name in values), key=len)
    figure = new_figure(provenance)
    axes = tidy(figure.subplots(), title, "sensors present", metric)
    axes.grid(visible=False, axis="x")
    places = np.arange(len(subsets))
    width = 0.8 / len(methods)
    for i, (name, values) in enumerate(methods.items()):
        heights = [values.get(subset, np.nan) for subset in subsets]
        left = places + (i - (len(methods) - 1) / 2) * width
        bars = axes.bar(left, heights, 0.92 * width, color=method_colour(i + 1), label=name)
        if len(subsets) * len(methods) <= MAX_LABELLED:
            axes.bar_label(bars, fmt="%.0f", fontsize=8, padding=1)
    axes.set_xticks(places, subsets)
    if len(methods) > 1:
        axes.legend(ncols=min(5, len(methods)), loc="lower center", bbox_to_anchor=(0.5, 1.08), frameon=False)
    return figure
