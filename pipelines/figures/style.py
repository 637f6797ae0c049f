"""One look for all figures: sizes, colours, the provenance line, saving.

Figures are built with matplotlib's object interface only; no global pyplot state, no display needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from equipose.models.sensors import SENSORS

OTHER_COLOURS = ("#E69F00", "#56B4E9", "#000000", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#F0E442")
HATCHES = ("", "///", "...", "xxx")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
"""A second sign beside the colour, for black-and-white prints."""

TRUTH_COLOUR = "#555555"
WIDTH = 8.0
"""Inches; 1120 pixels at `DPI`, which a laptop shows whole."""
DPI = 140
FOOT_HEIGHT = 0.22
"""Inches kept free at the bottom for the provenance line."""


def colour_of(name: str, index: int) -> str:
    """A sensor's own colour wherever it appears; other names by their place."""
    return SENSORS[name].colour if name in SENSORS else OTHER_COLOURS[index % len(OTHER_COLOURS)]


def method_colour(index: int) -> str:
    """Colour of the i-th method or prediction; avoids the modalities' colours as long as it can."""
    return OTHER_COLOURS[index % len(OTHER_COLOURS)]


def method_hatch(index: int) -> str:
    """Pattern of the i-th method's bars: none until the colours are used up."""
    return HATCHES[index // len(OTHER_COLOURS) % len(HATCHES)]


def new_figure(provenance: str, height: float = 4.2, width: float = WIDTH) -> Figure:
    """An empty figure with its provenance, such as `"simulated data"`, at the foot.

    Raises `ValueError` for an empty provenance: a number without one must not be shown.
    """
    if not provenance.strip():
        raise ValueError("provenance is empty; say what the numbers come from, e.g. 'simulated data'")
    foot = FOOT_HEIGHT / height
    engine = ConstrainedLayoutEngine(rect=(0.0, foot, 1.0, 1.0 - foot))
    figure = Figure(figsize=(width, height), dpi=DPI, layout=engine)
    figure.text(0.995, 0.02 * 4.2 / height, provenance, ha="right", va="bottom", fontsize=8, color="#666666")
    return figure


def tidy(axes: Axes, title: str = "", xlabel: str = "", ylabel: str = "") -> Axes:
    """Labels, a light grid, no box."""
    axes.set_title(title, fontsize=11)
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.grid(visible=True, color="#E5E5E5", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def same_length(name: str, lengths: Sequence[int]) -> int:
    """The common length; raises `ValueError` naming what differs."""
    if len(set(lengths)) != 1:
        raise ValueError(f"{name} have different lengths {list(lengths)}; give the same number for each")
    return lengths[0]


def save_png(figure: Figure, path: Path) -> Path:
    """Write a figure as a PNG, creating its folder."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="png")
    return path
