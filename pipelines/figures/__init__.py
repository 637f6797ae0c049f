"""Figures of runs and sweeps: arrays in, matplotlib figures out, the data's provenance printed on each."""

from equipose.pipelines.figures.choice import choice_figure
from equipose.pipelines.figures.cost import cost_against_gain
from equipose.pipelines.figures.curves import (
    alpha_heatmap,
    contribution_curves,
    curve_panels,
    fisher_traces,
    gradient_norms,
)
from equipose.pipelines.figures.features import feature_map
from equipose.pipelines.figures.intervals import interval_panels
from equipose.pipelines.figures.joints import joint_heatmap
from equipose.pipelines.figures.lattice import subset_lattice
from equipose.pipelines.figures.poses import best_median_worst, skeleton_overlay
from equipose.pipelines.figures.streams.detection import roc_curves
from equipose.pipelines.figures.streams.tasks import forgetting_against_learning, task_curves, task_matrices
from equipose.pipelines.figures.style import save_png
from equipose.pipelines.figures.subsets import subset_bars
from equipose.pipelines.figures.sweeps import parallel_coordinates, sweep_history, sweep_importance

__all__ = [
    "alpha_heatmap",
    "best_median_worst",
    "choice_figure",
    "contribution_curves",
    "cost_against_gain",
    "curve_panels",
    "feature_map",
    "fisher_traces",
    "forgetting_against_learning",
    "gradient_norms",
    "interval_panels",
    "joint_heatmap",
    "parallel_coordinates",
    "roc_curves",
    "save_png",
    "skeleton_overlay",
    "subset_bars",
    "subset_lattice",
    "sweep_history",
    "sweep_importance",
    "task_curves",
    "task_matrices",
]
