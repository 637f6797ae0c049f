"""The kinds of model that objectives read and runs train, and how each is told apart in a run's JSON."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from equipose.balancing.objectives.objective import ModelKind
from equipose.models.alignment.config import AlignedConfig
from equipose.models.baselines.config import BaselineConfig
from equipose.models.build import ModelConfig

AnyModel = ModelConfig | AlignedConfig | BaselineConfig
KINDS: Mapping[ModelKind, type[AnyModel]] = MappingProxyType(
    {"fusion": ModelConfig, "aligned": AlignedConfig, "baseline": BaselineConfig}
)
"""Kind -> class of its config."""
OBJECTIVE_OF: Mapping[ModelKind, str] = MappingProxyType(
    {"fusion": "pose", "aligned": "align", "baseline": "baseline"}
)
"""Kind -> the objective that goes with it, for messages."""
NAMES: Mapping[ModelKind, str] = MappingProxyType(
    {"fusion": "a fusion model", "aligned": "an aligned model", "baseline": "a baseline"}
)
"""Kind -> what it is called in messages."""
FIELD = "kind"
"""Of a model's JSON; left out for fusion models, whose JSON is older than it."""


def kind_of(config: AnyModel) -> ModelKind:
    """The kind of a model, by its config."""
    return next(kind for kind, cls in KINDS.items() if type(config) is cls)


def marked(config: AnyModel, plain: dict[str, Any]) -> dict[str, Any]:
    """The JSON of a model's config with its kind."""
    kind = kind_of(config)
    return plain if kind == "fusion" else {FIELD: kind, **plain}


def model_class(plain: Mapping[str, Any]) -> type[AnyModel]:
    """The class that the JSON of a model belongs to; ValueError for an unknown kind."""
    kind = plain.get(FIELD, "fusion")
    if kind not in KINDS:
        raise ValueError(f"model.{FIELD}={kind!r} is unknown; known: {list(KINDS)}")
    return KINDS[kind]
