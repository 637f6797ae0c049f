"""What happens over epochs, per modality: contributions, Fisher traces, the balancing coefficient.

Legend: S seeds, E epochs. Every history is modality -> [E] or [S, E].
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from equipose.pipelines.figures.style import MARKERS, colour_of, new_figure, same_length, tidy

History = Mapping[str, ArrayLike]


def stacked(history: History) -> dict[str, NDArray[np.float64]]:
    """Every entry as [S, E]; raises `ValueError` when epochs differ or there is nothing to draw."""
    arrays = {name: np.atleast_2d(np.asarray(values, dtype=np.float64)) for name, values in history.items()}
    if not arrays:
        raise ValueError("history is empty; give at least one modality")
    for name, array in arrays.items():
        if array.ndim != 2:
            raise ValueError(
                f"history[{name!r}] has shape {array.shape}; expected [epochs] or [seeds, epochs]"
            )
    same_length("histories", [array.shape[1] for array in arrays.values()])
    return arrays


def mean_and_spread(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean over seeds [E] and sample standard deviation [E] (0 for one seed); NaN seeds are left out.

    values: [S, E].
    """
    valid = np.isfinite(values)
    count = valid.sum(axis=0)
    known = np.where(valid, values, 0.0)
    mean = np.where(count > 0, known.sum(axis=0) / np.maximum(count, 1), np.nan)
    squares = np.where(valid, (values - mean) ** 2, 0.0).sum(axis=0)
    return mean, np.sqrt(squares / np.maximum(count - 1, 1))


def draw_curves(axes: Axes, history: History, *, logarithmic: bool = False) -> None:
    """One line per entry, with a band of one standard deviation where there are several seeds.

    logarithmic: of the values' logarithms, as suits quantities that differ by factors; what is not positive
    is left out.
    """
    for index, (name, values) in enumerate(stacked(history).items()):
        low, mean, high = _band(values, logarithmic)
        epochs = np.arange(len(mean))
        colour = colour_of(name, index)
        every = max(1, len(epochs) // 10)
        axes.plot(
            epochs,
            mean,
            color=colour,
            marker=MARKERS[index % len(MARKERS)],
            markevery=every,
            ms=5,
            label=name,
        )
        if len(values) > 1:
            axes.fill_between(epochs, low, high, color=colour, alpha=0.2, linewidth=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _band(values: NDArray[np.float64], logarithmic: bool) -> tuple[NDArray[np.float64], ...]:
    """Lower edge, middle and upper edge over seeds, each [E]."""
    known = np.log(np.where(values > 0, values, np.nan)) if logarithmic else values
    mean, spread = mean_and_spread(known)
    edges = (mean - spread, mean, mean + spread)
    return tuple(np.exp(edge) for edge in edges) if logarithmic else edges


def _legend_beside(axes: Axes) -> None:
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)


def _seeds(history: History) -> str:
    seeds = max(len(values) for values in stacked(history).values())
    return f", mean ± std over {seeds} seeds" if seeds > 1 else ""


def _mark_window(axes: Axes, window: range | None) -> None:
    """Shade the epochs in which the balancing method acts."""
    if window is None or not len(window):
        return
    axes.axvspan(window.start, window[-1], color="#999999", alpha=0.15, linewidth=0, label="balancing on")


def contribution_curves(
    history: History,
    provenance: str,
    *,
    window: range | None = None,
    ylabel: str = "Shapley contribution",
    title: str = "Contribution of each sensor",
    zero: bool = True,
) -> Figure:
    """Shapley scores per modality over epochs, band over seeds; `window`: epochs in which a method acts.

    zero: draw the line at zero; off for quantities that stay far from it.
    """
    figure = new_figure(provenance)
    axes = tidy(figure.subplots(), title + _seeds(history), "epoch", ylabel)
    _mark_window(axes, window)
    draw_curves(axes, history)
    if zero:
        axes.axhline(0.0, color="#999999", linewidth=0.8)
    _legend_beside(axes)
    return figure


def curve_panels(
    panels: Mapping[str, History],
    provenance: str,
    *,
    windows: Mapping[str, range] | None = None,
    ylabel: str,
    title: str,
    zero: bool = True,
) -> Figure:
    """Curves per modality, one panel per method, side by side on one scale.

    panels: name above the panel -> history. windows: panel -> epochs in which its method acts.
    zero: draw the line at zero. Raises `ValueError` where there is no panel.
    """
    if not panels:
        raise ValueError("panels are empty; give at least one history")
    figure = new_figure(provenance)
    row = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (name, history) in zip(row, panels.items(), strict=True):
        tidy(axes, name, "epoch")
        _mark_window(axes, (windows or {}).get(name))
        draw_curves(axes, history)
        if zero:
            axes.axhline(0.0, color="#999999", linewidth=0.8)
    row[0].set_ylabel(ylabel)
    figure.suptitle(title + _seeds(next(iter(panels.values()))), fontsize=11)
    known: dict[str, Artist] = {}
    for axes in row:
        known |= {label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(
        list(known.values()), list(known), loc="outside lower center", ncols=len(known), frameon=False
    )
    return figure


def fisher_traces(history: History, provenance: str, *, title: str = "Fisher information") -> Figure:
    """Trace of the Fisher information per modality's encoder over epochs, on a logarithmic axis."""
    return _logarithmic(history, provenance, title, "trace of the diagonal")


def gradient_norms(history: History, provenance: str, *, title: str = "Gradient norm") -> Figure:
    """Norm of the gradient of every modality's encoder over epochs, on a logarithmic axis."""
    return _logarithmic(history, provenance, title, "norm of the encoder's gradient")


def _logarithmic(history: History, provenance: str, title: str, ylabel: str) -> Figure:
    """Curves of positive quantities; whatever is not positive is a gap."""
    figure = new_figure(provenance)
    seeds = _seeds(history).replace("mean", "geometric mean")
    axes = tidy(figure.subplots(), title + seeds, "epoch", ylabel)
    axes.set_yscale("log")
    draw_curves(axes, history, logarithmic=True)
    _legend_beside(axes)
    return figure


def alpha_heatmap(history: History, provenance: str, *, title: str = "Balancing strength alpha") -> Figure:
    """Coefficient per modality (row) and epoch (column), mean over seeds."""
    rows = {name: mean_and_spread(values)[0] for name, values in stacked(history).items()}
    figure = new_figure(provenance, height=1.4 + 0.45 * len(rows))
    axes = figure.subplots()
    image = axes.imshow(np.stack(list(rows.values())), aspect="auto", cmap="cividis", interpolation="nearest")
    tidy(axes, title, "epoch").grid(visible=False)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.colorbar(image, ax=axes, pad=0.02)
    return figure
