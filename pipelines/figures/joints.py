"""Error of every joint under every method.

Legend: S seeds, J joints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from equipose.models.skeleton import JOINTS
from equipose.pipelines.figures.style import new_figure, tidy


def joint_means(errors: Mapping[str, ArrayLike], joints: Sequence[str]) -> NDArray[np.float64]:
    """[methods, J] mean over seeds of [J] or [S, J]; raises `ValueError` where a length is not J."""
    if not errors:
        raise ValueError("errors is empty; give at least one method")
    rows = []
    for name, values in errors.items():
        array = np.atleast_2d(np.asarray(values, dtype=np.float64))
        if array.ndim != 2 or array.shape[1] != len(joints):
            raise ValueError(
                f"{name} has shape {np.shape(values)}; expected [{len(joints)}] or seeds of that"
            )
        rows.append(array.mean(axis=0))
    return np.stack(rows)


def joint_heatmap(
    errors: Mapping[str, ArrayLike],
    provenance: str,
    *,
    joints: Sequence[str] = JOINTS,
    reference: str | None = None,
    title: str = "Error per joint",
) -> Figure:
    """Heat map of method (row) x joint (column): method -> [J] or [S, J] mm, averaged over seeds.

    reference: show every other method's difference to this one instead; blue is better, red is worse.
    """
    means, names = joint_means(errors, joints), list(errors)
    if reference is not None:
        means, names = _against(means, names, reference)
    limit = float(np.nanmax(np.abs(means))) or 1.0
    scale: dict[str, Any] = (
        {"cmap": "cividis"} if reference is None else {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}
    )
    figure = new_figure(provenance, height=2.1 + 0.36 * len(names))
    axes = figure.subplots()
    image = axes.imshow(means, aspect="auto", interpolation="nearest", **scale)
    against = "" if reference is None else f", difference to {reference}"
    tidy(axes, title + against).grid(visible=False)
    axes.set_yticks(range(len(names)), names)
    turned = [joint.replace("_", " ") for joint in joints]
    axes.set_xticks(range(len(joints)), turned, rotation=40, ha="right", rotation_mode="anchor")
    axes.spines[:].set_visible(False)
    _write_numbers(axes, means, image.to_rgba(means), signed=reference is not None)
    figure.colorbar(image, ax=axes, pad=0.02, label="mm")
    return figure


def _against(
    means: NDArray[np.float64], names: list[str], reference: str
) -> tuple[NDArray[np.float64], list[str]]:
    """Rows of the other methods minus the reference's."""
    if reference not in names or len(names) < 2:
        raise ValueError(f"reference {reference!r} needs a row of its own beside others; there are {names}")
    place = names.index(reference)
    rest = [name for name in names if name != reference]
    return np.delete(means, place, axis=0) - means[place], rest


def _write_numbers(axes: Axes, values: NDArray[np.float64], colours: NDArray, *, signed: bool) -> None:
    """The rounded value in every cell, dark on light and light on dark."""
    light = colours[..., :3] @ np.array([0.299, 0.587, 0.114]) > 0.55
    for (row, column), value in np.ndenumerate(values):
        text = f"{value:+.0f}" if signed and round(value) else f"{abs(value) if signed else value:.0f}"
        colour = "#222222" if light[row, column] else "white"
        axes.text(column, row, text, ha="center", va="center", fontsize=7.5, color=colour)
