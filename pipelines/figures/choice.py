"""Error of every subset of sensors against what it costs, and the Pareto front."""

from __future__ import annotations

from collections.abc import Mapping

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
    """A point per subset -> `Choice`; those on the front are filled.

    The line joins the front in the order of this cost; with several costs it need not fall.
    """
    if not choices:
        raise ValueError("choices is empty; give at least one subset")
    figure = new_figure(provenance, height=4.6)
    axes = tidy(figure.subplots(), title, cost, ylabel)
    front = sorted((x, y) for x, y, _, _, best in choices.values() if best)
    line = np.array(front, dtype=np.float64).reshape(-1, 2)
    axes.plot(line[:, 0], line[:, 1], color="#999999", lw=1, zorder=1)
    for name, (x, y, low, high, best) in choices.items():
        colour = method_colour(5) if best else "#777777"
        reach = [[abs(y - low)], [abs(high - y)]]
        fill = colour if best else "white"
        axes.errorbar(x, y, yerr=reach, fmt="o", ms=6, color=colour, mfc=fill, lw=1, capsize=2)
        if best or len(choices) <= MOST_NAMED:
            axes.annotate(name, (x, y), (6, 4), textcoords="offset points", fontsize=8, color=colour)
    axes.margins(x=0.1, y=0.12)
    return figure
