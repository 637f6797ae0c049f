"""From a config and its data to the objects that train: batches, model, method, optimiser."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from equipose.balancing.objectives.model_kinds import AnyModel
from equipose.balancing.objectives.registry import build_objective
from equipose.balancing.registry import build_method
from equipose.models.alignment.build import build_aligned
from equipose.models.alignment.config import AlignedConfig
from equipose.models.base import SensorModel
from equipose.models.baselines.build import build_baseline
from equipose.models.baselines.config import BaselineConfig
from equipose.models.build import ModelConfig, build_model
from equipose.models.compute.computing import exact_products
from equipose.orchestrator.training.compute.precision import new_backward
from equipose.orchestrator.training.config import OptimizerConfig, TrainConfig
from equipose.orchestrator.training.data import RunData
from equipose.orchestrator.training.ranks import Ranks
from equipose.orchestrator.training.state import Training
from equipose.pipelines.protocols import Task

OUTSIDE_COMPILATION = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")
"""Methods of optimisers that torch keeps out of compiled code; seen with torch 2.13."""


def model_config(config: TrainConfig) -> AnyModel:
    """The run's model, with the unimodal heads that its method needs."""
    if not isinstance(config.model, ModelConfig):
        return config.model
    heads = config.model.unimodal_heads or "unimodal_heads" in build_method(config.method).needs
    return replace(config.model, unimodal_heads=heads)


def new_model(config: TrainConfig, mean_pose: torch.Tensor | None) -> SensorModel:
    """The run's model with initial weights, what its objective learns beside it included."""
    model: SensorModel
    views, wanted = config.data.batch.views, model_config(config)
    if isinstance(wanted, AlignedConfig):
        model = build_aligned(wanted, views=views, mean_pose=mean_pose, seed=config.seed)
    elif isinstance(wanted, BaselineConfig):
        model = build_baseline(wanted, views=views, mean_pose=mean_pose, seed=config.seed)
    else:
        model = build_model(wanted, views=views, mean_pose=mean_pose, seed=config.seed)
    build_objective(config.objective).prepare(model)
    return model


def own_device() -> torch.device:
    """The accelerator that this process was given, or the CPU; its products of float32 are exact."""
    exact_products()
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def run_facts(training: Training, data: RunData) -> dict[str, Any]:
    """What a run's checkpoints carry beside its state: the data behind its numbers, and its size."""
    return {
        "fingerprint": data.fingerprint,
        "provenance": data.provenance,
        "parameters": sum(p.numel() for p in training.model.parameters() if p.requires_grad),
    }


def build_optimizer(config: OptimizerConfig, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimiser of a config at its first learning rate."""
    if config.name == "sgd":
        return eager(torch.optim.SGD)(
            parameters, lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay
        )
    return eager(torch.optim.Adam)(parameters, lr=config.lr, weight_decay=config.weight_decay)


@functools.cache
def eager(kind: type[torch.optim.Optimizer]) -> Callable[..., torch.optim.Optimizer]:
    """An optimiser that computes what `kind` does and does not import torch's compiler.

    torch (seen with 2.13) imports it in every optimiser, only to keep parts of it out of compiled code, in
    which nothing here calls one. That takes almost as long as torch itself, in every process that trains.
    """
    for name in OUTSIDE_COMPILATION:
        method = getattr(getattr(torch.optim.Optimizer, name), "__wrapped__", None)
        if method is not None and not hasattr(method, "__dynamo_disable"):
            method.__dynamo_disable = method
    return type(kind.__name__, (kind,), {"step": torch.no_grad()(inspect.unwrap(kind.step))})


def build_training(
    config: TrainConfig,
    data: RunData | None = None,
    *,
    ranks: Ranks | None = None,
    device: torch.device | None = None,
) -> Training:
    """Everything of a run at epoch 0, ready for `fit`; the model is not wrapped for DDP yet.

    data: of `config.data`, which is opened where none is given.
    """
    data = data or RunData.open(config.data)
    ranks, device = ranks or Ranks(), device or torch.device("cpu")
    config.compute.check_device(device)
    exact_products()
    dtype = torch.float64 if config.dtype == "float64" else torch.float32
    method = build_method(config.method)
    batch = config.data.batch
    model = new_model(config, data.mean_pose)
    model.fit_inputs(data.input_statistics(batch))
    model = model.to(device=device, dtype=dtype)
    model.freeze(config.frozen)
    model.compute_as(config.compute)
    return Training(
        model=model,
        wrapped=model,
        method=method,
        objective=build_objective(config.objective),
        optimizer=build_optimizer(config.optimizer, [p for p in model.parameters() if p.requires_grad]),
        schedule=config.optimizer,
        train=data.source("train", config.data.batch),
        sample=data.training_sample(config.data.batch),
        validation=data.source("validation", config.data.batch),
        task=len(config.earlier_tasks),
        watched={
            Task.of(split).name: data.of_split(config.data, split).source("validation", config.data.batch)
            for split in config.earlier_tasks
        },
        epochs=config.epochs,
        seed=config.seed,
        value_function=config.value_function,
        ranks=ranks,
        device=device,
        backward=new_backward(model, config.compute),
        dtype=dtype,
    )
