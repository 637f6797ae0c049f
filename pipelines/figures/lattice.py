"""All sensor subsets as a lattice: does one sensor more help?

Legend: M modalities, S seeds; a subset is a bitmask, see `equipose.models.modalities`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from equipose.models.sensors import subset_name
from equipose.pipelines.figures.style import new_figure

HURTS, HELPS = "#D7191C", "#B8B8B8"


@dataclass(frozen=True, kw_only=True)
class Edge:
    """One sensor added to a subset."""

    small: int
    large: int
    change: float
    """Mean error with the sensor minus without, mm; positive where it hurts."""
    agreed: bool
    """Whether the change has one sign in every seed."""


def seeds_of(errors: ArrayLike, num_modalities: int) -> NDArray[np.float64]:
    """[S, 2^M] of errors given as [2^M] or [S, 2^M]; raises `ValueError` for any other shape."""
    array = np.atleast_2d(np.asarray(errors, dtype=np.float64))
    if array.ndim != 2 or array.shape[1] != 1 << num_modalities:
        raise ValueError(
            f"errors have shape {np.shape(errors)}; {num_modalities} modalities need [2^{num_modalities}] by "
            "bitmask (the empty subset first, its value is not used) or seeds of that"
        )
    return array


def edges_of(errors: ArrayLike, num_modalities: int) -> list[Edge]:
    """Every pair of subsets that differ in one sensor, the empty subset left out."""
    values = seeds_of(errors, num_modalities)
    edges = []
    for small in range(1, values.shape[1]):
        for large in (small | 1 << m for m in range(num_modalities) if not small >> m & 1):
            change = values[:, large] - values[:, small]
            agreed = bool((change > 0).all() or (change <= 0).all())
            edges.append(Edge(small=small, large=large, change=float(change.mean()), agreed=agreed))
    return edges


def node_places(num_modalities: int) -> dict[int, tuple[float, float]]:
    """Subset -> (x, y): a row per size, single sensors at the bottom, each row centred."""
    places: dict[int, tuple[float, float]] = {}
    for size in range(1, num_modalities + 1):
        row = [mask for mask in range(1, 1 << num_modalities) if mask.bit_count() == size]
        row.sort(key=lambda mask: [m for m in range(num_modalities) if mask >> m & 1])
        places |= {mask: (i - (len(row) - 1) / 2, float(size)) for i, mask in enumerate(row)}
    return places


def subset_lattice(
    errors: ArrayLike,
    modalities: Sequence[str],
    provenance: str,
    *,
    title: str = "One sensor more: does it help?",
) -> Figure:
    """Subsets as nodes with their error in mm, joined where they differ by one sensor.

    errors: [2^M] or [S, 2^M] mm by bitmask. An edge is red where the added sensor raises the mean error,
    the wider the more; dashed where the seeds disagree about the sign.
    """
    count = len(modalities)
    mean = seeds_of(errors, count).mean(axis=0)
    edges, places = edges_of(errors, count), node_places(count)
    figure = new_figure(provenance, height=1.6 + 1.15 * count)
    axes = figure.subplots()
    _draw_edges(axes, edges, places)
    colours = ScalarMappable(Normalize(mean[1:].min(), mean[1:].max()), "cividis_r")
    for mask, (x, y) in places.items():
        colour = colours.to_rgba(mean[mask])
        ink = "white" if np.dot(colour[:3], [0.299, 0.587, 0.114]) < 0.5 else "black"
        label = f"{subset_name(mask, modalities)}\n{mean[mask]:.0f}"
        box = {"boxstyle": "round,pad=0.35", "facecolor": colour, "edgecolor": "white"}
        axes.text(x, y, label, ha="center", va="center", fontsize=9, color=ink, bbox=box, zorder=3)
    _frame(axes, places, title, sum(edge.change > 0 for edge in edges), len(edges))
    figure.colorbar(colours, ax=axes, pad=0.02, label="MPJPE (mm)")
    _legend(axes)
    return figure


def _draw_edges(axes: Axes, edges: Sequence[Edge], places: dict[int, tuple[float, float]]) -> None:
    largest = max((abs(edge.change) for edge in edges), default=0.0) or 1.0
    for edge in edges:
        (x0, y0), (x1, y1) = places[edge.small], places[edge.large]
        hurts = edge.change > 0
        width = 1.5 + 3 * edge.change / largest if hurts else 1.0
        line = Line2D([x0, x1], [y0, y1], linewidth=width, zorder=2 if hurts else 1)
        line.set(color=HURTS if hurts else HELPS, linestyle="-" if edge.agreed else "--")
        axes.add_line(line)


def _frame(axes: Axes, places: dict[int, tuple[float, float]], title: str, hurting: int, edges: int) -> None:
    """Title with the count, one labelled row per size, no box."""
    sizes = sorted({int(y) for _, y in places.values()})
    axes.set_title(f"{title} ({hurting} of {edges} steps hurt)", fontsize=11)
    axes.set_xticks([])
    axes.set_yticks(sizes, [f"{size} sensor{'s' if size > 1 else ''}" for size in sizes])
    axes.tick_params(length=0)
    axes.margins(x=0.12, y=0.14)
    axes.spines[:].set_visible(False)


def _legend(axes: Axes) -> None:
    lines = [
        Line2D([], [], color=HELPS, label="adding helps"),
        Line2D([], [], color=HURTS, linewidth=3, label="adding hurts"),
        Line2D([], [], color="#555555", linestyle="--", label="seeds disagree"),
    ]
    axes.legend(
        handles=lines, loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=3, frameon=False, fontsize=9
    )
