"""Figures of runs and sweeps: arrays in, matplotlib figures out, the data's provenance printed on each."""

from pipelines.figures.curves import alpha_heatmap, contribution_curves, fisher_traces
from pipelines.figures.poses import best_median_worst, skeleton_overlay
from pipelines.figures.style import MODALITY_COLOURS, save_png
from pipelines.figures.subsets import subset_bars
from pipelines.figures.sweeps import parallel_coordinates, sweep_history, sweep_importance

__all__ = [
    "MODALITY_COLOURS",
    "alpha_heatmap",
    "best_median_worst",
    "contribution_curves",
    "fisher_traces",
    "parallel_coordinates",
    "save_png",
    "skeleton_overlay",
    "subset_bars",
    "sweep_history",
    "sweep_importance",
]
