"""Stages of an aligned model: what each trains, what it starts with, ranks, and resuming."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.multiprocessing as mp

from equipose.models.alignment.model import AlignedModel
from equipose.orchestrator.checkpoints import state as checkpoints
from equipose.orchestrator.checkpoints.trained_model import load_model
from equipose.orchestrator.host import free_port
from equipose.orchestrator.training.build import build_training, run_facts
from equipose.orchestrator.training.config import TrainConfig, from_json, to_json
from equipose.orchestrator.training.data import RunData
from equipose.orchestrator.training.loop import fit
from equipose.orchestrator.training.start import start_at
from equipose.orchestrator.training.state import Training
from tests.orchestrator.aligned_runs import stage_configs, triplet_store
from tests.orchestrator.training.test_equivalence import assert_close, rank_main, state_of, train


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return triplet_store(tmp_path_factory.mktemp("triplets") / "store")


def ended(training: Training, config: TrainConfig) -> dict[str, Any]:
    """What a run that starts at this one's end is given."""
    return {
        "config": to_json(config),
        "epoch": training.epoch,
        "model": training.model.state_dict(),
        "method": training.method.state_dict(),
        "contributions": training.contributions,
    }


@pytest.fixture(scope="module")
def stages(store: Path) -> list[tuple[TrainConfig, Training, dict[str, torch.Tensor]]]:
    """Config, ended run and weights at the start of every stage."""
    made: list[tuple[TrainConfig, Training, dict[str, torch.Tensor]]] = []
    for config in stage_configs(store):
        data = RunData.open(config.data)
        training = build_training(config, data)
        if made:
            start_at(training, ended(made[-1][1], made[-1][0]), config, data)
        start = {name: value.clone() for name, value in training.model.state_dict().items()}
        list(fit(training))
        made.append((config, training, start))
    return made


def test_configs_survive_json(store: Path) -> None:
    for config in stage_configs(store, higher="cosines", sources="all"):
        assert from_json(to_json(config)) == config


def test_every_stage_starts_with_what_the_one_before_has_learnt(stages: Any) -> None:
    for (_, before, _), (config, _, start) in pairwise(stages):
        learnt = before.model.state_dict()
        shared = [name for name in learnt if name.startswith("encoders.") and name in start]
        assert {name.split(".")[1] for name in shared} >= {"keypoints", "skeleton"}
        for name in shared:
            assert torch.equal(start[name], learnt[name]), name
        tau = float(torch.exp(-start["alignment.temperature.log_inverse"]))
        assert tau == pytest.approx(config.objective.tau, rel=1e-6), "each stage has its own temperature"


def test_frozen_parts_stay_as_they_are_and_the_others_move(stages: Any) -> None:
    config, training, start = stages[1]
    assert config.frozen == ("encoders.keypoints", "encoders.skeleton")
    for name, value in training.model.state_dict().items():
        if name.startswith(config.frozen):
            assert torch.equal(value, start[name]), name
    moved = [
        name
        for name, value in training.model.state_dict().items()
        if name.startswith("encoders.image.") and not torch.equal(value, start[name])
    ]
    assert moved
    assert not training.model.encoders["skeleton"].training


def test_all_losses_are_there_and_fall(stages: Any) -> None:
    names = [{key for key in training.metrics if key.startswith("train/loss/")} for _, training, _ in stages]
    assert names[0] == {"train/loss/pair"}
    assert names[1] == {"train/loss/pair", "train/loss/triplet"}
    assert names[2] == names[1] | {"train/loss/decode/pose", "train/loss/decode/keypoints"}
    for _, training, _ in stages:
        first, last = (epoch["train/loss"] for epoch in (training.history[0], training.history[-1]))
        assert last < first


def test_the_pose_is_retrieved_until_there_is_a_decoder(stages: Any) -> None:
    for (_, training, _), retrieved in zip(stages, (True, True, False), strict=True):
        model = training.model
        assert isinstance(model, AlignedModel)
        assert model.needs_gallery is retrieved
        assert set(training.metrics) >= {"val/mpjpe_mm", "subset/K/mpjpe_mm", "train/mpjpe_mm"}
    assert set(stages[2][1].metrics) >= {"shapley/image", "shapley/keypoints"}


def test_a_run_interrupted_inside_a_stage_equals_one_that_was_not(
    stages: Any, store: Path, tmp_path: Path
) -> None:
    config, whole, _ = stages[2]
    data = RunData.open(config.data)
    first = build_training(config, data)
    start_at(first, ended(stages[1][1], stages[1][0]), config, data)
    next(fit(first))
    checkpoints.save(first, config, tmp_path, run_facts(first, data))
    resumed = build_training(config, data)
    checkpoints.restore(resumed, checkpoints.load(tmp_path), config)
    list(fit(resumed))
    assert_close(dict(resumed.model.state_dict()), dict(whole.model.state_dict()), 0)
    loaded = load_model(tmp_path).model
    assert_close(
        loaded.state_dict(), {k: v.clone() for k, v in checkpoints.load(tmp_path)["model"].items()}, 0
    )


def test_rows_that_lack_a_sensor_are_not_trained_on(store: Path) -> None:
    from equipose.orchestrator.training.passes import full_plan

    config = stage_configs(store)[1]
    training = build_training(config)
    valid = training.train._valid.copy()
    valid[training.train.rows[0], 0] = False
    training.train.__dict__["_valid"] = valid
    planned = full_plan(training).indices.tolist()
    assert training.train.rows[0] not in planned
    assert len(planned) == len(training.train.rows) - 1


@pytest.mark.system
def test_two_ranks_equal_one(store: Path, tmp_path: Path) -> None:
    configs = {
        f"{sources} {number}": replace(config, epochs=1)
        for sources in ("one", "all")
        for number, config in enumerate(stage_configs(store, sources=sources))
    }
    mp.spawn(rank_main, args=(free_port(), configs, str(tmp_path)), nprocs=2)
    for name, config in configs.items():
        alone = state_of(*train(config))
        for rank in (0, 1):
            assert_close(torch.load(tmp_path / f"{name}-{rank}.pt", weights_only=True), alone, 1e-10)


def test_the_method_must_be_plain(store: Path) -> None:
    from equipose.balancing.methods.opm import OPM

    with pytest.raises(ValueError, match="use plain"):
        replace(stage_configs(store)[2], method=OPM.Config())
    config = stage_configs(store)[0]
    data = replace(config.data, batch=replace(config.data.batch, origin="sensor"))
    with pytest.raises(ValueError, match="origin=pelvis"):
        replace(config, data=data)
