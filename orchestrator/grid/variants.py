"""Variants of a run: the reference method, models of some of the sensors, other lengths."""

from __future__ import annotations

from dataclasses import replace

from equipose.balancing.registry import METHODS
from equipose.balancing.schedules import fitted
from equipose.orchestrator.training.config import TrainConfig

REFERENCE = "plain"


def with_modalities(config: TrainConfig, modalities: tuple[str, ...]) -> TrainConfig:
    """Plain training of a fusion model of some of the sensors."""
    batch = replace(config.data.batch, modalities=modalities)
    return replace(
        config,
        method=METHODS[REFERENCE].Config(),
        data=replace(config.data, batch=batch),
        model=replace(config.fusion_model, modalities=modalities),
    )


def lasting(config: TrainConfig, epochs: int) -> TrainConfig:
    """The run with another number of epochs; schedules of optimiser and method keep their shares."""
    return replace(
        config,
        epochs=epochs,
        optimizer=fitted(config.optimizer, epochs, config.epochs),
        method=fitted(config.method, epochs, config.epochs),
    )
