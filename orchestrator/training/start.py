"""A run that starts where another one ended: the next task of a stream, the next stage of a model."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from equipose.balancing.objectives.model_kinds import kind_of
from equipose.balancing.registry import method_name
from equipose.models.alignment.config import AlignedConfig
from equipose.models.base import SensorModel
from equipose.models.baselines.config import BaselineConfig
from equipose.models.build import ModelConfig
from equipose.orchestrator.training.build import model_config
from equipose.orchestrator.training.config import TrainConfig, from_json
from equipose.orchestrator.training.data import RunData
from equipose.orchestrator.training.passes import recalibrate_batch_statistics, run_of
from equipose.orchestrator.training.state import Training


def start_at(training: Training, state: Mapping[str, Any], config: TrainConfig, data: RunData) -> None:
    """Let a freshly built run start with the weights of another run's end, and what its method carries on.

    The inputs stay scaled as in the first run, so a later one never looks back at how. Optimiser, schedules
    and epochs start anew. A fusion model that starts at an aligned one's end has its method start anew, too.
    Where the other run was trained with `plain`, a method that joins late is shown the
    end of it, on its rows; otherwise both must have the same method, whose settings may differ.

    state: the other run's last, see `equipose.orchestrator.checkpoints.state.load`. config, data: of the run
    that starts. Raises ValueError where the methods or the models of the two runs do not fit, and for a state
    before the other run's end, which lacks what a method keeps of its task.
    """
    began = time.perf_counter()
    earlier = from_json(state["config"])
    if state["epoch"] < earlier.epochs:
        raise ValueError(
            f"a run starts at another's end, not after {state['epoch']} of its {earlier.epochs} epochs; take "
            "its last checkpoint"
        )
    fresh = {name: value.detach().clone() for name, value in training.model.named_parameters()}
    _load_shared(training.model, state["model"], earlier, config)
    before, now = method_name(earlier.method), method_name(config.method)
    if kind_of(earlier.model) != kind_of(config.model):
        pass  # what was learnt before is another task, of which a balancing method has nothing to keep
    elif before == now:
        training.method.start_task(state["method"])
    elif training.method.joins_late and before == "plain":
        ended = _at_its_end(training, earlier, data)
        ended.contributions = state["contributions"]
        training.method.on_task_end(run_of(ended, lambda name, value: None))
    else:
        raise ValueError(
            f"a run with method {now} cannot start at the end of one with {before}; train both with {now}"
        )
    if training.method.from_scratch:
        for name, parameter in training.model.named_parameters():
            parameter.data.copy_(fresh[name])
    training.optimizer.state.clear()
    recalibrate_batch_statistics(training)
    training.start_seconds = time.perf_counter() - began


def _load_shared(
    model: SensorModel, weights: Mapping[str, Tensor], earlier: TrainConfig, config: TrainConfig
) -> None:
    """Give a model the weights that it shares with that of an earlier run; ValueError where they do not fit.

    Aligned models share encoders and decoders of equal name; what else they have, and the temperature, starts
    anew. A fusion model that starts at an aligned one's end takes over its encoders. A baseline starts at the
    end of one like itself only.
    """
    found, wanted = model_config(earlier), model_config(config)
    if found == wanted:
        kept = {name: value for name, value in weights.items() if not name.startswith("alignment.")}
        strict = not isinstance(wanted, AlignedConfig)
    elif isinstance(found, AlignedConfig) and not isinstance(wanted, BaselineConfig):
        parts = wanted.shares_with(found) if isinstance(wanted, AlignedConfig) else _encoders(found, wanted)
        kept, strict = {name: value for name, value in weights.items() if name.startswith(parts)}, False
    else:
        raise ValueError(f"a run with model {wanted} cannot start at the end of one with {found}")
    result = model.load_state_dict(kept, strict=strict)
    if result.unexpected_keys:
        raise ValueError(f"the model lacks {result.unexpected_keys[:4]} of the run that it starts from")


def _encoders(found: AlignedConfig, wanted: ModelConfig) -> tuple[str, ...]:
    """Prefixes of the encoders, and of their inputs' scales, that a fusion model takes over."""
    if (found.space, found.norm) != (wanted.width, wanted.norm):
        raise ValueError(
            f"the fusion model has features of {wanted.width} numbers and norm {wanted.norm!r}, the aligned "
            f"one that it starts from {found.space} and {found.norm!r}; set model.feature_dim and model.norm"
        )
    shared = [name for name in wanted.modalities if name in found.modalities]
    if not shared or any(wanted.encoder(name) != found.encoder(name) for name in shared):
        raise ValueError(f"the models share no encoder: {wanted.modalities} starts from {found.modalities}")
    return tuple(f"{group}.{name}." for name in shared for group in ("encoders", "inputs"))


def _at_its_end(training: Training, earlier: TrainConfig, data: RunData) -> Training:
    """The run before, at its end, with the model and the method of the one that starts."""
    before = data.of_split(earlier.data, earlier.data.split)
    batch = earlier.data.batch
    return replace(
        training,
        train=before.source("train", batch),
        sample=before.training_sample(batch),
        validation=before.source("validation", batch),
        task=len(earlier.earlier_tasks),
        epoch=earlier.epochs,
        epochs=earlier.epochs,
    )
