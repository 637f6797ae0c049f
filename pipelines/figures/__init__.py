"""Figures of runs and sweeps: arrays in, matplotlib figures out, the data's provenance printed on each."""

from pipelines.figures.cost import cost_against_gain
from pipelines.figures.curves import alpha_heatmap, contribution_curves, fisher_traces, gradient_norms
from pipelines.figures.features import feature_map
from pipelines.figures.joints import joint_heatmap
from pipelines.figures.lattice import subset_lattice
from pipelines.figures.poses import best_median_worst, skeleton_overlay
from pipelines.figures.style import MODALITY_COLOURS, save_png
from pipelines.figures.subsets import subset_bars
from pipelines.figures.sweeps import parallel_coordinates, sweep_history, sweep_importance

__all__ = [
    "MODALITY_COLOURS",
    "alpha_heatmap",
    "best_median_worst",
    "contribution_curves",
    "cost_against_gain",
    "feature_map",
    "fisher_traces",
    "gradient_norms",
    "joint_heatmap",
    "parallel_coordinates",
    "save_png",
    "skeleton_overlay",
    "subset_bars",
    "subset_lattice",
    "sweep_history",
    "sweep_importance",
]
