"""Receiver operating characteristics: what a detector finds against what it flags by mistake."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from equipose.pipelines.figures.style import colour_of, new_figure, tidy


def roc_curves(
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]],
    provenance: str,
    *,
    title: str = "Contaminated readings found",
) -> Figure:
    """Name -> (false positive rate, true positive rate), each [P] in [0, 1]; the diagonal is chance.

    Raises ValueError where there is nothing to draw.
    """
    if not curves:
        raise ValueError("curves is empty; give at least one")
    figure = new_figure(provenance, height=4.8, width=5.6)
    axes = tidy(figure.subplots(), title, "clean readings flagged (share)", "contaminated readings flagged")
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=0.8, linestyle="--")
    for index, (name, (false, true)) in enumerate(curves.items()):
        axes.plot(false, true, color=colour_of(name, index + 2), label=name)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_aspect("equal")
    axes.legend(frameon=False, fontsize=9, loc="lower right")
    return figure
