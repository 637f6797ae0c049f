"""What happens over a stream of tasks: error matrices, curves with task borders, forgetting against learning.

Legend: T tasks, S streams (seeds and orders), E epochs of the whole stream.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from equipose.pipelines.figures.cost import place_names
from equipose.pipelines.figures.curves import draw_curves
from equipose.pipelines.figures.style import MARKERS, WIDTH, method_colour, new_figure, tidy
from equipose.pipelines.figures.subsets import mean_and_deviation

ABREAST = 4
"""Matrices in a row."""


def task_matrices(
    matrices: Mapping[str, ArrayLike],
    tasks: Sequence[str],
    provenance: str,
    *,
    title: str = "Error after every task",
    unit: str = "mm",
    decimals: int = 0,
) -> Figure:
    """Heat maps, one per strategy: [T, T], rows after which task, columns tested on which; one colour scale.

    Raises ValueError for a matrix of another shape.
    """
    found = {name: np.asarray(values, dtype=np.float64) for name, values in matrices.items()}
    size = (len(tasks), len(tasks))
    for name, values in found.items():
        if values.shape != size:
            raise ValueError(f"matrix {name!r} has shape {values.shape}; expected {size}, a row per task")
    rows, columns = ceil(len(found) / ABREAST), min(ABREAST, len(found))
    figure = new_figure(provenance, height=0.8 + 1.9 * rows, width=max(WIDTH / 2, WIDTH * columns / ABREAST))
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    low = min(float(np.nanmin(values)) for values in found.values())
    high = max(float(np.nanmax(values)) for values in found.values())
    for axes in grid.ravel()[len(found) :]:
        axes.set_axis_off()
    for axes, (name, values) in zip(grid.ravel(), found.items(), strict=False):
        image = axes.imshow(values, cmap="cividis", vmin=low, vmax=high)
        tidy(axes, name).grid(visible=False)
        axes.set_xticks(range(len(tasks)), tasks, fontsize=8)
        axes.set_yticks(range(len(tasks)), tasks, fontsize=8)
        axes.spines[:].set_visible(False)
        _write(axes, values, (low + high) / 2, decimals)
    figure.suptitle(title, fontsize=11)
    figure.supxlabel("tested on", fontsize=9)
    figure.supylabel("after", fontsize=9)
    figure.colorbar(image, ax=grid, pad=0.02, label=unit, shrink=0.8)
    return figure


def _write(axes: Axes, values: NDArray[np.float64], middle: float, decimals: int) -> None:
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            colour = "white" if value < middle else "black"
            axes.text(
                column, row, f"{value:.{decimals}f}", ha="center", va="center", fontsize=8, color=colour
            )


def task_curves(
    curves: Mapping[str, ArrayLike],
    borders: Sequence[int],
    provenance: str,
    *,
    title: str = "Validation error of every task over the stream",
) -> Figure:
    """Task -> [E] or [S, E] mm over the epochs of the whole stream, NaN before it is learnt; a line per task.

    borders: the first epoch of every task but the first.
    """
    figure = new_figure(provenance)
    axes = tidy(figure.subplots(), title, "epoch of the stream", "MPJPE (mm), validation")
    draw_curves(axes, curves)
    for border in borders:
        axes.axvline(border - 0.5, color="#999999", linewidth=0.8, linestyle="--")
    axes.legend(frameon=False, fontsize=9)
    return figure


def forgetting_against_learning(
    learned: Mapping[str, ArrayLike],
    forgotten: Mapping[str, ArrayLike],
    provenance: str,
    *,
    title: str = "Plasticity against stability",
) -> Figure:
    """One named point per strategy: its error as it learns (mm, or mm of every stream) and what it forgets.

    The lower left corner is best. Raises ValueError where the two name different strategies.
    """
    if not learned or set(learned) != set(forgotten):
        raise ValueError(f"learned names {sorted(learned)}, forgotten names {sorted(forgotten)}; give both")
    figure = new_figure(provenance, height=4.8)
    axes = tidy(figure.subplots(), title, "error as learnt (mm)", "forgetting (mm)")
    points = {}
    for i, name in enumerate(learned):
        x, across = mean_and_deviation(learned[name])
        y, up = mean_and_deviation(forgotten[name])
        marker = MARKERS[(i + i // len(MARKERS)) % len(MARKERS)]
        axes.errorbar(
            x,
            y,
            xerr=None if np.isnan(across) else across,
            yerr=None if np.isnan(up) else up,
            color=method_colour(i + 1),
            marker=marker,
            ms=7,
            lw=1,
            capsize=2,
        )
        points[name] = (x, y, up)
    axes.margins(x=0.18, y=0.15)
    axes.axhline(0.0, color="#999999", linewidth=0.8)
    figure.draw_without_rendering()
    place_names(axes, points)
    return figure
