"""What a training run is: frozen, validated configs, and their JSON form.

The JSON form is the artifact `config.json` of every run and part of its checkpoints, so reading it back must
give an equal config: `from_json` is the inverse of `to_json`.
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from typing import Any, Literal

from equipose.balancing.chained import ChainConfig
from equipose.balancing.method import MethodConfig
from equipose.balancing.objectives.model_kinds import (
    FIELD,
    NAMES,
    OBJECTIVE_OF,
    AnyModel,
    kind_of,
    marked,
    model_class,
)
from equipose.balancing.objectives.objective import ObjectiveConfig
from equipose.balancing.objectives.pose import PoseError
from equipose.balancing.objectives.registry import objective_class, objective_name
from equipose.balancing.registry import METHODS, config_class, method_name
from equipose.balancing.schedules import epoch_count
from equipose.models.baselines.config import BaselineConfig
from equipose.models.build import ModelConfig
from equipose.models.compute.config import ComputeConfig
from equipose.orchestrator.training.compute.precision import AS_IT_IS, check_compute
from equipose.pipelines.batches.source import BatchConfig
from equipose.pipelines.protocols import Task


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which frames a run trains, validates and tests on."""

    store: str
    """Path or URI of a prepared store."""
    protocol: str = "P1"
    split: str = "S1"
    train_stride: int = 1
    """Train on every n-th selected frame; validation and test always use all of theirs."""
    batch: BatchConfig = field(default_factory=BatchConfig)

    def __post_init__(self) -> None:
        if self.train_stride < 1:
            raise ValueError(f"data.train_stride must be at least 1, got {self.train_stride}")


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """An optimiser with a step schedule (the AWC paper: Adam, lr 1e-3, x0.1 every 30 epochs)."""

    name: Literal["adam", "sgd"] = "adam"
    """Adam cancels constant factors of a gradient, so methods that scale an encoder's gradient act through
    the factor's changes only; those were published with SGD."""
    lr: float = 1e-3
    """Of Adam; SGD wants a larger one, such as 0.05."""
    momentum: float = 0.9
    """Of SGD."""
    gamma: float = 0.1
    """Factor applied every `step_epochs` epochs."""
    step_epochs: int = epoch_count(30)
    weight_decay: float = 0.0
    clip_norm: float | None = None
    """Clip the gradient's global norm after the method has shaped it; None does not clip."""

    def __post_init__(self) -> None:
        if self.name not in ("adam", "sgd"):
            raise ValueError(f"optimizer.name must be 'adam' or 'sgd', got {self.name!r}")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"optimizer.momentum must lie in [0, 1), got {self.momentum}")
        positive = {"lr": self.lr, "gamma": self.gamma, "step_epochs": self.step_epochs}
        if self.clip_norm is not None:
            positive["clip_norm"] = self.clip_norm
        for name, value in positive.items():
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"optimizer.{name} must be positive and finite, got {value}")

    def lr_at(self, epoch: int) -> float:
        """Learning rate of a 0-based epoch; a pure function, so resuming needs no scheduler state."""
        return self.lr * self.gamma ** (epoch // self.step_epochs)


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One training run."""

    data: DataConfig
    model: AnyModel = field(default_factory=ModelConfig)
    method: MethodConfig = field(default_factory=lambda: METHODS["plain"].Config())
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    epochs: int = 50
    seed: int = 0
    value_function: Literal["pearson", "negative_mpjpe", "negative_mse"] = "pearson"
    """What a coalition is worth in the Shapley scores of every validation pass."""
    dtype: Literal["float32", "float64"] = "float32"
    """Precision of training; float64 is for equivalence checks."""
    earlier_tasks: tuple[str, ...] = ()
    """In a stream, the splits of the tasks before this one, in order; `data.split` is this task. The errors
    on their validation parts are measured after every epoch, and never trained on."""
    objective: ObjectiveConfig = field(default_factory=PoseError.Config)
    """What is minimised; `Align` for models that align, `Baseline` for baselines."""
    frozen: tuple[str, ...] = ()
    """Parts of the model that keep the weights they start with, such as `encoders.keypoints`."""
    compute: ComputeConfig = field(default_factory=ComputeConfig)

    @property
    def fusion_model(self) -> ModelConfig:
        """The model, where it fuses; ValueError for one of another kind."""
        if not isinstance(self.model, ModelConfig):
            kind = NAMES[kind_of(self.model)]
            raise ValueError(f"this needs a model that fuses its sensors, and the run's is {kind}")
        return self.model

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ValueError(f"epochs must be at least 1, got {self.epochs}")
        for split in self.earlier_tasks:
            Task.of(split)
        if self.data.split in self.earlier_tasks:
            raise ValueError(f"task {self.data.split} is among its own earlier_tasks; name each task once")
        if tuple(self.data.batch.modalities) != tuple(self.model.modalities):
            raise ValueError(
                f"data.batch.modalities {self.data.batch.modalities} and model.modalities "
                f"{self.model.modalities} differ; set both to the same sensors in the same order"
            )
        for name, view in self.data.batch.views.items():
            self.model.encoder(name, view)
        _check_objective(self)
        check_compute(self.compute, self.dtype, self.method)


def _check_objective(config: TrainConfig) -> None:
    """Raise ValueError for an objective that the model, the method or the data cannot serve."""
    kind, name = kind_of(config.model), objective_name(config.objective)
    if objective_class(name).model != kind:
        raise ValueError(f"objective {name!r} does not go with {NAMES[kind]}; use {OBJECTIVE_OF[kind]}")
    if kind == "fusion":
        return
    if method_name(config.method) != "plain":
        raise ValueError(
            f"method {method_name(config.method)!r} balances the errors of poses, which objective {name!r} "
            "does not have; use plain"
        )
    batch = config.data.batch
    if batch.origin != "pelvis":
        raise ValueError(
            f"the poses of {NAMES[kind]} are relative to the pelvis; set data.batch.origin=pelvis"
        )
    if isinstance(config.model, BaselineConfig):
        config.model.check_batch(batch.context, batch.targets)


def to_json(config: TrainConfig) -> dict[str, Any]:
    """The config as JSON-ready dicts; the entries of method and objective carry their registry names.

    What only streams of tasks and aligned models have is left out elsewhere, so that the keys of all other
    runs do not change.
    """
    plain = json.loads(json.dumps(dataclasses.asdict(config)))
    plain["method"] = _method_json(config.method)
    plain["model"] = marked(config.model, plain["model"])
    plain["objective"] = {"name": objective_name(config.objective), **plain["objective"]}
    for group, names in _LEFT_OUT.items():
        there = plain if group == "run" else plain["data"]["batch"]
        for name, usual in names.items():
            if there[name] == usual:
                del there[name]
    return plain


_LEFT_OUT: dict[str, dict[str, Any]] = {
    "run": {"earlier_tasks": [], "objective": {"name": "pose"}, "frozen": [], "compute": AS_IT_IS},
    "batch": {"context": [], "targets": [], "origin": "sensor", "flip": 0.0},
}
"""Fields that are left out at these values."""


def from_json(plain: dict[str, Any]) -> TrainConfig:
    """Inverse of `to_json`. Raises ValueError on unknown methods and fields."""
    data = dict(plain["data"])
    fields: dict[str, Any] = {
        **plain,
        "data": _build(DataConfig, {**data, "batch": _build(BatchConfig, data["batch"])}),
        "model": _model(plain["model"]),
        "method": _method(plain["method"]),
        "optimizer": _build(OptimizerConfig, plain["optimizer"]),
        "objective": _objective(plain.get("objective", {"name": "pose"})),
        "compute": _build(ComputeConfig, plain.get("compute", {})),
    }
    return _build(TrainConfig, fields)


def _method_json(config: MethodConfig) -> dict[str, Any]:
    """A method's settings with its registry name, and those of the methods that it chains."""
    plain = {"name": method_name(config), **json.loads(json.dumps(dataclasses.asdict(config)))}
    if isinstance(config, ChainConfig):
        plain["parts"] = [_method_json(part) for part in config.parts]
    return plain


def _method(plain: dict[str, Any]) -> MethodConfig:
    """Inverse of `_method_json`."""
    settings = dict(plain)
    cls = config_class(settings.pop("name"))
    if cls is ChainConfig:
        settings["parts"] = [_method(part) for part in settings["parts"]]
    found: MethodConfig = _build(cls, settings)
    return found


def _model(plain: dict[str, Any]) -> AnyModel:
    """Inverse of the JSON of a model."""
    settings = {name: value for name, value in plain.items() if name != FIELD}
    found: AnyModel = _build(model_class(plain), settings)
    return found


def _objective(plain: dict[str, Any]) -> ObjectiveConfig:
    """Inverse of the JSON of an objective."""
    settings = dict(plain)
    found: ObjectiveConfig = _build(objective_class(settings.pop("name")).Config, settings)
    return found


def to_text(config: TrainConfig) -> str:
    """The config as JSON text, for processes that pass it on without importing what it is made of."""
    return json.dumps(to_json(config))


def from_text(text: str) -> TrainConfig:
    """Inverse of `to_text`."""
    return from_json(json.loads(text))


def _build(cls: Any, fields: dict[str, Any]) -> Any:
    """Construct a config class, turning JSON lists back into tuples and naming unknown fields."""
    known = {f.name for f in dataclasses.fields(cls)}
    unknown = sorted(set(fields) - known)
    if unknown:
        raise ValueError(f"{cls.__qualname__} has no field {unknown}; known: {sorted(known)}")
    return cls(**{key: tuple(v) if isinstance(v, list) else v for key, v in fields.items()})
