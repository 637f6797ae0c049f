"""The controlled experiment on imbalance at one glance: a column per level of the dial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from equipose.pipelines.figures.curves import History, draw_curves
from equipose.pipelines.figures.style import method_colour, new_figure, tidy


@dataclass(frozen=True, kw_only=True)
class ImbalanceLevel:
    """What is drawn of one level. Legend: S seeds, E epochs."""

    name: str
    shares: History
    """modality -> [S, E] share of the contributions under plain training."""
    spreads: History
    """method, or the weak sensor trained alone -> [S, E] spread of its predictions, mm."""
    added: Mapping[str, tuple[float, float, float]]
    """method -> change of the test error when the weak sensor is added, and its interval, mm."""


def imbalance_figure(levels: Sequence[ImbalanceLevel], weak: str, provenance: str) -> Figure:
    """Rows: contributions over epochs, spread of the weak sensor's predictions, what adding it changes.

    Bands are one standard deviation over seeds, bars the intervals that are given.
    """
    if not levels:
        raise ValueError("levels is empty; give at least one")
    figure = new_figure(provenance, height=8.6, width=3.2 * len(levels) + 1.0)
    grid = figure.subplots(3, len(levels), squeeze=False, sharey="row")
    for column, level in enumerate(levels):
        draw_curves(tidy(grid[0, column], level.name, "epoch"), level.shares)
        draw_curves(tidy(grid[1, column], "", "epoch"), level.spreads)
        _draw_added(tidy(grid[2, column], "", "", ""), level.added)
        grid[0, column].axhline(0.0, color="#999999", linewidth=0.8)
    grid[0, 0].set_ylabel("share of contributions\n(plain, mean ± std over seeds)")
    grid[1, 0].set_ylabel(f"spread with {weak} only\n(mm, mean ± std over seeds)")
    grid[2, 0].set_ylabel(f"test error with {weak} minus\nwithout it (mm, 95 % interval)")
    for row in (0, 1):
        grid[row, -1].legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8)
    return figure


def _draw_added(axes: Axes, added: Mapping[str, tuple[float, float, float]]) -> None:
    """A point with its interval per method; above the line the sensor hurts."""
    for place, (value, low, high) in enumerate(added.values()):
        look = {"color": method_colour(place), "capsize": 3, "fmt": "o", "ms": 5}
        axes.errorbar([place], [value], [[value - low], [high - value]], **look)  # type: ignore[arg-type]
    axes.axhline(0.0, color="#999999", linewidth=0.8)
    axes.set_xticks(range(len(added)), list(added), rotation=30, ha="right", fontsize=8)
