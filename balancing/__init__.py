"""How training is balanced: methods as small hooks, Shapley contributions, Fisher information, composition.

Pure torch and NumPy; no Ray, no MLflow, no process groups. `docs/methods.md` is the guide.
"""

from balancing.agm import AGM
from balancing.awc import AWC
from balancing.clustering import two_groups
from balancing.coalitions import Coalitions, coalition_predictions, coalitions_of
from balancing.compose import chain, within
from balancing.contributions import RunningContributions, batch_contributions
from balancing.fisher import fisher_diagonal, fisher_trace, quadratic_penalty
from balancing.g_blending import GBlending
from balancing.method import EpochPlan, Losses, Method, MethodConfig, Run, Step, total_loss
from balancing.mmpareto import MMPareto
from balancing.modes import evaluating
from balancing.ogm_ge import OGMGE
from balancing.opm import OPM
from balancing.pmr import PMR
from balancing.profit import VALUE_FUNCTIONS, negative_mpjpe, negative_mse, pearson_profit, value_function
from balancing.registry import METHODS, build_method, method_class, method_name
from balancing.report import ContributionReport, bootstrap_interval, contribution_report
from balancing.shapley import efficiency_residual, interaction_indices, shapley_values
from balancing.statistics import CoalitionStatistics

__all__ = [
    "AGM",
    "AWC",
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
    "efficiency_residual",
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
