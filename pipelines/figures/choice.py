"""Error of every subset of sensors against what it costs, and the Pareto front."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from equipose.pipelines.figures.style import method_colour, new_figure, tidy

Choice = tuple[float, float, float, float, bool]
"""(cost, error, low, high, whether it is on the front); low and high are NaN without an interval."""
MOST_NAMED = 16
"""More subsets than this are named on the front only."""


def choice_figure(
    choices: Mapping[str, Choice],
    provenance: str,
    *,
    cost: str,
    ylabel: str = "MPJPE (mm), 95 % interval",
    title: str = "Which sensors are worth having",
) -> Figure:
    """A point per subset -> `Choice`, its name above; those on the front are filled.

    The line joins the front in the order of this cost; with several costs it need not fall. Subsets of equal
    cost stand side by side.
    """
    if not choices:
        raise ValueError("choices is empty; give at least one subset")
    figure = new_figure(provenance, height=4.6)
    axes = tidy(figure.subplots(), title, cost, ylabel)
    places = side_by_side({name: choice[0] for name, choice in choices.items()})
    front = sorted((places[name], choice[1]) for name, choice in choices.items() if choice[4])
    line = np.array(front, dtype=np.float64).reshape(-1, 2)
    axes.plot(line[:, 0], line[:, 1], color="#999999", lw=1, zorder=1)
    for name, (_, y, low, high, best) in choices.items():
        x = places[name]
        colour = method_colour(5) if best else "#777777"
        reach = [[abs(y - low)], [abs(high - y)]]
        fill = colour if best else "white"
        axes.errorbar(x, y, yerr=reach, fmt="o", ms=6, color=colour, mfc=fill, lw=1, capsize=2)
        if best or len(choices) <= MOST_NAMED:
            look: dict[str, Any] = {"rotation": 90, "ha": "center", "va": "bottom", "fontsize": 8}
            top = max(y, high) if np.isfinite(high) else y
            axes.annotate(name, (x, top), (0, 5), textcoords="offset points", color=colour, **look)
    axes.margins(x=0.06, y=0.15)
    return figure


def side_by_side(costs: Mapping[str, float]) -> dict[str, float]:
    """Subset -> where it stands on the axis: at its cost, or evenly around it where others cost the same."""
    step = 0.014 * ((max(costs.values()) - min(costs.values())) or 1.0)
    same: dict[float, list[str]] = {}
    for name, cost in costs.items():
        same.setdefault(cost, []).append(name)
    return {
        name: cost + (i - (len(names) - 1) / 2) * step
        for cost, names in same.items()
        for i, name in enumerate(names)
    }
