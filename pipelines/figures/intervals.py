"""Numbers with their intervals, one under another."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from equipose.pipelines.figures.style import method_colour, new_figure, tidy

Interval = tuple[float, float, float]
"""(value, low, high); low and high are NaN where there is no interval."""


def interval_panels(
    panels: Mapping[str, Mapping[str, Interval]],
    provenance: str,
    *,
    xlabel: str = "MPJPE (mm), 95 % interval",
    title: str = "",
) -> Figure:
    """A panel per kind of group, one scale for all: name -> value with its interval, first name on top."""
    if not panels or not all(panels.values()):
        raise ValueError("panels is empty or holds an empty panel; give at least one number for each")
    sizes = [len(values) for values in panels.values()]
    figure = new_figure(provenance, height=1.4 + 0.24 * sum(sizes) + 0.4 * len(sizes))
    ratios = [size + 1 for size in sizes]
    grid = figure.subplots(len(panels), squeeze=False, sharex=True, height_ratios=ratios)[:, 0]
    for place, (axes, (name, values)) in enumerate(zip(grid, panels.items(), strict=True)):
        found = np.array(list(values.values()), dtype=np.float64)
        heights = np.arange(len(found))
        tidy(axes, "", "", name)
        reach = np.abs(found[:, 1:] - found[:, :1]).T
        colour = method_colour(place + 1)
        axes.errorbar(found[:, 0], heights, xerr=reach, fmt="o", ms=5, color=colour, capsize=2, lw=1.2)
        axes.set_yticks(heights, list(values))
        axes.set_ylim(len(found) - 0.5, -0.5)
    grid[0].set_title(title, fontsize=11)
    grid[-1].set_xlabel(xlabel)
    return figure
