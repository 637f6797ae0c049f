"""What every registered sensor gets that can be simulated: training, ranks, resume; each fusion has some."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from equipose.balancing.methods.awc.awc import AWC
from equipose.balancing.shapley.coalitions import coalitions_of
from equipose.models.build import ModelConfig
from equipose.models.fusion import FUSIONS
from equipose.models.sensors import SENSORS
from equipose.orchestrator.checkpoints import state as checkpoints
from equipose.orchestrator.training.build import build_training
from equipose.orchestrator.training.config import DataConfig, TrainConfig
from equipose.orchestrator.training.data import RunData
from equipose.orchestrator.training.loop import fit
from equipose.pipelines.batches.source import BatchConfig
from equipose.pipelines.prepare import prepare
from equipose.pipelines.readers.simulated import SimulatedSource
from equipose.pipelines.simulator import SimulatorConfig
from equipose.pipelines.simulator.observe import SENSORS as SIMULATED
from equipose.pipelines.store import Store

NAMES = tuple(name for name in SENSORS if name in SIMULATED)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Three parts of P1-S2, every sensor, 4 frames a recording."""
    source = SimulatedSource(
        subjects=("S01", "S05", "S09"),
        actions=("A02", "A13"),
        config=SimulatorConfig(frames=4, seed=2),
        sensors=NAMES,
    )
    return prepare("simulated", source, tmp_path_factory.mktemp("every") / "store")


def config_of(store: Store, names: tuple[str, ...], fusion: str = "concat", epochs: int = 2) -> TrainConfig:
    return TrainConfig(
        data=DataConfig(store=str(store.path), split="S2", batch=BatchConfig(batch_size=4, modalities=names)),
        model=ModelConfig(preset="tiny", fusion=fusion, modalities=names),  # type: ignore[arg-type]
        method=AWC.Config(window=1),
        epochs=epochs,
    )


@pytest.mark.parametrize(
    ("name", "fusion"), [(name, list(FUSIONS)[i % len(FUSIONS)]) for i, name in enumerate(NAMES)]
)  # a fusion sees features, which are of one shape for every sensor
def test_it_trains_and_reaches_its_encoder(name: str, fusion: str, store: Store) -> None:
    names = (name, "rgb") if name != "rgb" else ("rgb", "lidar")
    training = build_training(config_of(store, names, fusion, epochs=1))
    before = [p.detach().clone() for p in training.model.encoders[name].parameters()]
    [result] = list(fit(training))
    assert np.isfinite(result.metrics["val/mpjpe_mm"])
    moved = [
        not torch.equal(a, b) for a, b in zip(before, training.model.encoders[name].parameters(), strict=True)
    ]
    assert any(moved)


@pytest.mark.parametrize("name", NAMES)
def test_shares_of_ranks_are_the_batch_of_one(name: str, store: Store) -> None:
    data = RunData.open(config_of(store, (name,)).data)
    source = data.source("train", BatchConfig(batch_size=8, modalities=(name,)))
    order = source.epoch_order(0)
    whole = next(source.batches(order, epoch=0))
    halves = [next(source.batches(order, epoch=0, rank=rank, world_size=2)) for rank in range(2)]
    assert torch.equal(whole.inputs[name], torch.cat([half.inputs[name] for half in halves]))


@pytest.mark.parametrize("name", NAMES)
def test_a_resumed_run_is_the_run(name: str, store: Store, tmp_path: Path) -> None:
    config = config_of(store, (name,), epochs=2)
    whole = build_training(config)
    epochs = fit(whole)
    next(epochs)
    checkpoints.save(whole, config, tmp_path, {})
    list(epochs)
    resumed = build_training(config)
    checkpoints.restore(resumed, checkpoints.load(tmp_path), config)
    list(fit(resumed))
    for key, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[key]), key
    assert (whole.model.inputs[name].scale > 0).all()  # type: ignore[union-attr,operator]


def test_all_of_them_train_together_and_every_coalition_is_evaluated_exactly(store: Store) -> None:
    training = build_training(config_of(store, NAMES, epochs=1))
    [result] = list(fit(training))
    assert len(coalitions_of(len(NAMES)).codes) == 2 ** len(NAMES) == 128
    assert sum(key.startswith("subset/") and key.endswith("/mpjpe_mm") for key in result.metrics) == 127
    values = [result.metrics[f"shapley/{name}"] for name in NAMES]
    full, none = (result.metrics.get(key) for key in ("value/full", "value/none"))
    assert np.isfinite(values).all()
    if full is not None and none is not None:
        assert sum(values) == pytest.approx(full - none)


def test_inputs_are_scaled_by_the_training_part_and_not_by_the_others(store: Store) -> None:
    config = config_of(store, NAMES)
    data = RunData.open(config.data)
    training = build_training(config, data)
    measured = data.input_statistics(config.data.batch)
    for name in NAMES:
        assert tuple(training.model.inputs[name].scale.tolist()) == pytest.approx(measured[name].scale)  # type: ignore[union-attr,operator]
    other = replace(data, rows={**data.rows, "train": data.rows["test"]})
    assert other.input_statistics(config.data.batch) != measured
