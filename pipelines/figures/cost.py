"""What a method costs against what it gains."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from numpy.typing import ArrayLike

from equipose.pipelines.figures.style import MARKERS, method_colour, new_figure, tidy
from equipose.pipelines.figures.subsets import mean_and_deviation

OFFSETS = ((7, 5), (7, -13), (-7, 5), (-7, -13), (7, 18), (7, -26), (-7, 18), (-7, -26))
"""Places of a name around its point, in points; the first without overlap is taken."""


def cost_against_gain(
    costs: Mapping[str, float],
    gains: Mapping[str, ArrayLike],
    provenance: str,
    *,
    xlabel: str = "time per step / plain",
    ylabel: str = "MPJPE saved against plain (mm)",
    title: str = "Cost against gain",
) -> Figure:
    """One named point per method; gains: mm, or mm of every seed, whose deviation is the whisker.

    A gain is positive where the method is better than plain; the area where it is worse is shaded.
    Raises `ValueError` where costs and gains name different methods.
    """
    if not costs or set(costs) != set(gains):
        raise ValueError(f"costs name {sorted(costs)}, gains name {sorted(gains)}; give both for each method")
    figure = new_figure(provenance, height=4.6)
    axes = tidy(figure.subplots(), title, xlabel, ylabel)
    found = {name: (cost, *mean_and_deviation(gains[name])) for name, cost in costs.items()}
    for i, (x, mean, spread) in enumerate(found.values()):
        # Colours and markers go round together; shifting one by a place per round keeps the pairs apart.
        marker = MARKERS[(i + i // len(MARKERS)) % len(MARKERS)]
        whisker = None if np.isnan(spread) else spread
        axes.errorbar(x, mean, whisker, color=method_colour(i + 1), marker=marker, ms=7, lw=1, capsize=2)
    _shade_losses(axes)
    figure.draw_without_rendering()
    place_names(axes, found)
    return figure


def _shade_losses(axes: Axes) -> None:
    """Room for names around the points, the line of no gain, and what lies below it shaded."""
    axes.margins(x=0.18, y=0.15)
    low, high = axes.get_ylim()
    low, high = min(low, 0.0), max(high, 0.0)
    axes.axhspan(low, 0.0, color="#D55E00", alpha=0.07, linewidth=0)
    axes.axhline(0.0, color="#999999", linewidth=0.8)
    axes.set_ylim(low, high)


def place_names(axes: Axes, points: Mapping[str, tuple[float, float, float]]) -> None:
    """Write every name where it covers no other name, point or whisker, room permitting."""
    taken = [_covered(axes, *point) for point in points.values()]
    for name, (x, y, _) in points.items():
        for offset in OFFSETS:
            side = "left" if offset[0] > 0 else "right"
            text = axes.annotate(name, (x, y), offset, textcoords="offset points", ha=side, fontsize=9)
            box = text.get_window_extent().padded(1)
            if not any(box.overlaps(other) for other in taken) or offset == OFFSETS[-1]:
                break
            text.remove()
        taken.append(box)


def _covered(axes: Axes, x: float, y: float, spread: float) -> Bbox:
    """Pixels of a point and its whisker."""
    reach = 0.0 if np.isnan(spread) else spread
    ends = axes.transData.transform([(x, y - reach), (x, y + reach)])
    return Bbox(ends).padded(7)
