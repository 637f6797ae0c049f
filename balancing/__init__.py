"""Balancing methods as small hooks, and what they build on: Shapley contributions, Fisher information.

Pure torch and NumPy; no Ray, no MLflow, no process groups. `docs/methods.md` is the guide.
"""

from equipose.balancing.compose import chain, within
from equipose.balancing.evaluation_mode import evaluating
from equipose.balancing.fisher.diagonal import fisher_diagonal, fisher_trace, quadratic_penalty
from equipose.balancing.losses import Losses, total_loss
from equipose.balancing.method import Method, MethodConfig, Step
from equipose.balancing.methods.agm import AGM
from equipose.balancing.methods.awc.awc import AWC
from equipose.balancing.methods.awc.clustering import two_groups
from equipose.balancing.methods.g_blending import GBlending
from equipose.balancing.methods.mmpareto import MMPareto
from equipose.balancing.methods.ogm_ge import OGMGE
from equipose.balancing.methods.opm import OPM
from equipose.balancing.methods.pmr import PMR
from equipose.balancing.registry import CONTINUAL, METHODS, build_method, method_class, method_name
from equipose.balancing.run import EpochPlan, Run
from equipose.balancing.shapley.coalitions import Coalitions, coalition_predictions, coalitions_of
from equipose.balancing.shapley.report import ContributionReport, bootstrap_interval, contribution_report
from equipose.balancing.shapley.running import RunningContributions, batch_contributions
from equipose.balancing.shapley.statistics import CoalitionStatistics
from equipose.balancing.shapley.value_functions import (
    VALUE_FUNCTIONS,
    negative_mpjpe,
    negative_mse,
    pearson_profit,
    value_function,
)
from equipose.balancing.shapley.values import interaction_indices, shapley_values

__all__ = [
    "AGM",
    "AWC",
    "CONTINUAL",
    "METHODS",
    "OGMGE",
    "OPM",
    "PMR",
    "VALUE_FUNCTIONS",
    "CoalitionStatistics",
    "Coalitions",
    "ContributionReport",
    "EpochPlan",
    "GBlending",
    "Losses",
    "MMPareto",
    "Method",
    "MethodConfig",
    "Run",
    "RunningContributions",
    "Step",
    "batch_contributions",
    "bootstrap_interval",
    "build_method",
    "chain",
    "coalition_predictions",
    "coalitions_of",
    "contribution_report",
    "evaluating",
    "fisher_diagonal",
    "fisher_trace",
    "interaction_indices",
    "method_class",
    "method_name",
    "negative_mpjpe",
    "negative_mse",
    "pearson_profit",
    "quadratic_penalty",
    "shapley_values",
    "total_loss",
    "two_groups",
    "value_function",
    "within",
]
