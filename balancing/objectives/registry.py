"""Names of the objectives; a new one adds one line here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from equipose.balancing.objectives.align import Align
from equipose.balancing.objectives.baseline import Baseline
from equipose.balancing.objectives.objective import Objective, ObjectiveConfig
from equipose.balancing.objectives.pose import PoseError

OBJECTIVES: Mapping[str, type[Objective]] = MappingProxyType(
    {"pose": PoseError, "align": Align, "baseline": Baseline}
)
"""name -> objective."""


def objective_name(config: ObjectiveConfig) -> str:
    """The name under which the config's objective is registered."""
    for name, objective in OBJECTIVES.items():
        if type(config) is objective.Config:
            return name
    raise ValueError(f"{type(config).__qualname__} belongs to no registered objective: {list(OBJECTIVES)}")


def objective_class(name: str) -> type[Objective]:
    """The class registered under a name; ValueError with the known names otherwise."""
    if name not in OBJECTIVES:
        raise ValueError(f"unknown objective {name!r}; known: {list(OBJECTIVES)}")
    return OBJECTIVES[name]


def build_objective(config: ObjectiveConfig) -> Objective:
    """The objective of a config."""
    return objective_class(objective_name(config))(config)
