"""Skeletons of truth and prediction on one picture.

Legend: F frames, N frames to choose from; poses [F, 17, 3] in metres, x right, y down, z away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from equipose.models.skeleton import BONES, NUM_JOINTS, ROOT
from equipose.pipelines.figures.style import TRUTH_COLOUR, method_colour, new_figure

Poses = NDArray[np.floating]
VIEWS = {"front": 0, "side": 2}
"""View -> horizontal coordinate; the vertical one is always y."""
CHOICES = ("best", "median", "worst")


def frame_errors_mm(truth: Poses, prediction: Poses) -> NDArray[np.float64]:
    """Mean joint distance per frame, without alignment: [F, 17, 3] m twice -> [F] mm."""
    distances = np.linalg.norm(np.asarray(prediction, np.float64) - np.asarray(truth, np.float64), axis=-1)
    return np.asarray(1000.0 * distances.mean(axis=-1), dtype=np.float64)


def best_median_worst(errors: NDArray[np.floating]) -> NDArray[np.int64]:
    """Indices of the frames with the lowest, middle and highest error: [N] -> [3]."""
    order = np.argsort(errors, kind="stable")
    return order[[0, (len(order) - 1) // 2, -1]].astype(np.int64)


def draw_skeleton(axes: Axes, pose: Poses, across: int, colour: str, width: float) -> None:
    """One [17, 3] pose as bones and joints, seen along the coordinate that is neither `across` nor y."""
    for parent, child in BONES:
        axes.plot(pose[[parent, child], across], pose[[parent, child], 1], color=colour, linewidth=width)
    axes.plot(pose[:, across], pose[:, 1], "o", color=colour, markersize=width + 1)


def _check(truth: Poses, predictions: Mapping[str, Poses], titles: Sequence[str]) -> None:
    for name, poses in {"truth": truth, **predictions}.items():
        if poses.shape != (len(titles), NUM_JOINTS, 3):
            expected = f"[{len(titles)} titles, {NUM_JOINTS}, 3]"
            raise ValueError(f"{name} has shape {list(poses.shape)}; expected {expected}")


def _frame_view(axes: Axes, poses: Sequence[Poses], colours: Sequence[str], across: int) -> None:
    """All skeletons of one frame from one side, in equal units, y downwards."""
    for rank, (pose, colour) in enumerate(zip(poses, colours, strict=True)):
        draw_skeleton(axes, pose, across, colour, 3.0 if rank == 0 else 1.5)
    axes.set_aspect("equal", adjustable="datalim")
    axes.invert_yaxis()
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color("#DDDDDD")


def skeleton_overlay(
    truth: Poses,
    predictions: Mapping[str, Poses],
    provenance: str,
    *,
    titles: Sequence[str] = CHOICES,
    relative: bool = False,
) -> Figure:
    """Frames (columns) from the front and the side (rows), truth thick and grey, predictions in colour.

    truth: [F, 17, 3] m; predictions: name -> [F, 17, 3] m; titles: F names, default best, median, worst.
    relative: draw every pose around its own pelvis; the errors shown stay those of the poses as given.
    """
    _check(truth, predictions, titles)
    figure = new_figure(provenance, height=6.2)
    grid = figure.subplots(len(VIEWS), len(titles), squeeze=False)
    series = [np.asarray(poses, np.float64) for poses in (truth, *predictions.values())]
    colours = [TRUTH_COLOUR, *(method_colour(i) for i in range(len(predictions)))]
    drawn = [poses - poses[:, ROOT : ROOT + 1] for poses in series] if relative else series
    for f, title in enumerate(titles):
        errors = [f"{name} {frame_errors_mm(truth, p)[f]:.0f} mm" for name, p in predictions.items()]
        grid[0, f].set_title("\n".join([title, *errors]), fontsize=10)
        for row, across in enumerate(VIEWS.values()):
            _frame_view(grid[row, f], [poses[f] for poses in drawn], colours, across)
    for row, view in enumerate(VIEWS):
        grid[row, 0].set_ylabel(view)
    lines = [Line2D([], [], color=colour, linewidth=3) for colour in colours]
    figure.legend(lines, ["truth", *predictions], loc="outside upper center", ncols=4, frameon=False)
    return figure
