"""A measured curve: cost against size, with the straight line that describes it and the picture of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from equipose.pipelines.figures.style import MARKERS, method_colour, new_figure, tidy


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Cost of one piece of work as one size grows."""

    name: str
    x: tuple[int, ...]
    seconds: tuple[float, ...]
    """Medians."""
    notes: tuple[str, ...] = ()
    """Per point, what else is worth saying."""

    def line(self) -> tuple[float, float]:
        """(seconds at size 0, seconds per unit) by least squares, each point weighing by its own size.

        Relative deviations count, so that the small points are described as well as the large ones.
        """
        seconds = np.asarray(self.seconds)
        slope, start = np.polyfit(self.x, seconds, 1, w=1 / seconds)
        return float(start), float(slope)


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Curves over the same size."""

    title: str
    over: str
    """What grows, e.g. `frames`."""
    curves: tuple[Curve, ...]
    linear: bool = True
    """Whether a straight line is expected, and worth fitting."""


def measured(
    name: str,
    sizes: Sequence[int],
    prepare: Callable[[int], Callable[[], float]],
    rounds: int = 3,
    *,
    warmup: bool = True,
) -> Curve:
    """A curve of medians; `prepare(size)` returns what is called once to warm up and then `rounds` times.

    Each call returns seconds. Sizes are visited round by round, so a busy minute does not hit one of them.
    """
    runs = [prepare(size) for size in sizes]
    for run in runs if warmup else ():
        run()
    taken = [[run() for run in runs] for _ in range(rounds)]
    return Curve(name=name, x=tuple(sizes), seconds=tuple(np.median(taken, axis=0).tolist()))


def markdown(panel: Panel) -> str:
    """A table: one row per size, one column per curve, and the fitted lines below."""
    sizes = sorted({x for curve in panel.curves for x in curve.x})
    lines = [
        f"### {panel.title}",
        "",
        "| " + " | ".join([panel.over, *(curve.name for curve in panel.curves)]) + " |",
        "|---" * (1 + len(panel.curves)) + "|",
    ]
    for size in sizes:
        lines.append("| " + " | ".join([str(size), *(_cell(curve, size) for curve in panel.curves)]) + " |")
    if panel.linear:
        starts = [(curve.name, *curve.line()) for curve in panel.curves if len(curve.x) > 1]
        fits = [f"{name}: {_short(start)} + {_short(slope)} each" for name, start, slope in starts]
        lines += ["", "Straight lines: " + "; ".join(fits) + "."]
    return "\n".join(lines)


def _cell(curve: Curve, size: int) -> str:
    if size not in curve.x:
        return ""
    place = curve.x.index(size)
    note = f" ({curve.notes[place]})" if curve.notes else ""
    return _short(curve.seconds[place]) + note


def _short(seconds: float) -> str:
    if abs(seconds) >= 1:
        return f"{seconds:.3g} s"
    return f"{1e3 * seconds:.3g} ms" if abs(seconds) >= 1e-3 else f"{1e6 * seconds:.3g} us"


def figure(panels: Sequence[Panel], provenance: str) -> Figure:
    """All panels, two beside each other, axes logarithmic."""
    columns = 2
    rows = -(-len(panels) // columns)
    drawn = new_figure(provenance, height=3.2 * rows, width=4.6 * columns)
    for place, panel in enumerate(panels, start=1):
        axes = drawn.add_subplot(rows, columns, place)
        for index, curve in enumerate(panel.curves):
            colour, marker = method_colour(index), MARKERS[index % len(MARKERS)]
            axes.plot(curve.x, curve.seconds, color=colour, marker=marker, ms=5, label=curve.name)
        sizes = sorted({x for curve in panel.curves for x in curve.x})
        tidy(axes, panel.title, panel.over, "s")
        axes.set(xscale="log", yscale="log")
        axes.set_xticks(sizes, [str(size) for size in sizes], fontsize=7)
        axes.minorticks_off()
        axes.legend(fontsize=7)
    return drawn
