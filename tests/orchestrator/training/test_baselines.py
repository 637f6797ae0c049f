"""Runs of baselines: their configs, training, routes, and what takes no model without a pose."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
import torch.multiprocessing as mp

from equipose.balancing.objectives.baseline import Baseline
from equipose.balancing.objectives.pose import PoseError
from equipose.experiments.presets.typed.overrides import with_overrides
from equipose.models.alignment.config import AlignedConfig
from equipose.models.baselines.config import Architecture, BaselineConfig
from equipose.models.baselines.model import BaselineModel
from equipose.orchestrator.checkpoints import state as checkpoints
from equipose.orchestrator.checkpoints.trained_model import load_model, predict
from equipose.orchestrator.evaluation.aligned.evaluation import evaluate_aligned, load_aligned, save_aligned
from equipose.orchestrator.evaluation.evaluation import evaluate
from equipose.orchestrator.export.write import export_model
from equipose.orchestrator.grid.run_spec import RunSpec
from equipose.orchestrator.host import free_port
from equipose.orchestrator.training.build import build_training, run_facts
from equipose.orchestrator.training.config import DataConfig, TrainConfig, from_json, to_json
from equipose.orchestrator.training.data import RunData
from equipose.orchestrator.training.loop import fit
from equipose.orchestrator.training.state import Training
from tests.models.baselines.test_baselines import ARCHITECTURES, LIFTERS
from tests.orchestrator.aligned_runs import triplet_store, unihpe_config
from tests.orchestrator.training.test_equivalence import assert_close, rank_main, state_of, train


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return triplet_store(tmp_path_factory.mktemp("triplets") / "store")


def config_of(store: Path, architecture: Architecture, **changes: Any) -> TrainConfig:
    """Two epochs of two steps in float64, without dropout or batch statistics."""
    dropout = None if architecture == "heatmaps" else 0.0
    model = BaselineConfig(
        architecture=architecture, preset="tiny", norm="layer", **{"dropout": dropout, **changes}
    )
    data = unihpe_config(store).data
    views = {name: view for name, view in data.batch.views.items() if name in model.modalities}
    batch = replace(data.batch, modalities=model.modalities, views=views, batch_size=6)
    return TrainConfig(
        data=replace(data, batch=batch),
        model=model,
        objective=Baseline.Config(),
        epochs=2,
        dtype="float64",
    )


Runs = dict[str, tuple[TrainConfig, Training, RunData, Path]]


@pytest.fixture(scope="module")
def runs(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Architecture -> config, ended run, its data and its last checkpoint."""
    found: Runs = {}
    for architecture in ARCHITECTURES:
        config = config_of(store, architecture)
        data = RunData.open(config.data)
        training = build_training(config, data)
        list(fit(training))
        folder = tmp_path_factory.mktemp(architecture)
        checkpoints.save(training, config, folder, run_facts(training, data))
        found[architecture] = (config, training, data, folder)
    return found


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_configs_survive_json_and_have_keys_of_their_own(architecture: Architecture) -> None:
    config = config_of(Path("nowhere"), architecture)
    assert to_json(config)["model"]["kind"] == "baseline"
    assert from_json(to_json(config)) == config
    spec = RunSpec(name="", config=config, select="last")
    assert spec.alignments == {"aligned-last": config.data}
    other = RunSpec(name="", config=replace(config, model=replace(config.model, norm="batch")))
    assert spec.key("data") != other.key("data")


def test_other_models_have_the_json_that_they_had() -> None:
    """Keys of kept runs are made of it."""
    config = unihpe_config(Path("nowhere"))
    aligned = to_json(config.runs(config.variants[0], 0)[-1].config)["model"]
    assert aligned["kind"] == "aligned"
    assert set(aligned) == {"kind", *(field.name for field in fields(AlignedConfig))}
    assert "kind" not in to_json(TrainConfig(data=DataConfig(store="nowhere")))["model"]


def test_losses_fall_and_only_those_of_the_architecture_are_there(runs: Runs) -> None:
    for architecture, (_, training, _, _) in runs.items():
        name = "heatmaps" if architecture == "heatmaps" else "pose"
        assert {key for key in training.metrics if key.startswith("train/loss/")} == {f"train/loss/{name}"}
        assert training.history[-1]["train/loss"] < training.history[0]["train/loss"]


def test_heat_maps_are_judged_by_no_pose(runs: Runs) -> None:
    """The error of the mean pose is that of every epoch, so the last checkpoint is the one to judge."""
    _, training, _, _ = runs["heatmaps"]
    first, last = (epoch["val/mpjpe_mm"] for epoch in training.history)
    assert first == last
    for name in LIFTERS:
        first, last = (epoch["val/mpjpe_mm"] for epoch in runs[name][1].history)
        assert first != last


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_checkpoint_has_the_route_of_its_model(runs: Runs, architecture: str, tmp_path: Path) -> None:
    config, training, data, folder = runs[architecture]
    model = load_model(folder).model
    assert isinstance(model, BaselineModel)
    assert_close(dict(model.state_dict()), dict(training.model.state_dict()), 0)
    source = data.source("test", config.data.batch)
    evaluation = evaluate_aligned(model, source)
    route, error = (
        ("image>keypoints", "epe_px") if architecture == "heatmaps" else ("keypoints>pose", "mpjpe_mm")
    )
    lifted = [] if architecture == "heatmaps" else ["exact_keypoints>pose"]
    assert evaluation.routes["route"].unique(maintain_order=True).to_list() == [route, *lifted]
    mine = evaluation.routes.filter(pl.col("route") == route)
    assert mine["row"].to_list() == source.rows.tolist()
    assert evaluation.alignment is None
    assert evaluation.metrics("test")[f"test/{route.replace('>', '-')}/{error}"] > 0
    save_aligned(evaluation, tmp_path / "kept")
    loaded = load_aligned(tmp_path / "kept")
    assert loaded.alignment is None
    assert loaded.routes.equals(evaluation.routes)
    assert loaded.label == ("heat maps" if architecture == "heatmaps" else "regression")


@pytest.mark.parametrize("architecture", LIFTERS)
def test_a_lifter_is_evaluated_and_predicts(runs: Runs, architecture: str) -> None:
    config, _, data, folder = runs[architecture]
    source = data.source("test", config.data.batch)
    truth, predicted = predict(folder, source.rows)
    trained = load_model(folder)
    trained.check_pose()
    judged = evaluate(trained.model, source, seed=0).mpjpe_mm
    error = 1000 * np.linalg.norm(predicted - truth, axis=-1).mean()
    assert judged == pytest.approx(error, rel=1e-5)
    with pytest.raises(ValueError, match="a baseline, which is told the box"):
        export_model(trained, folder / "exported")


def test_what_needs_a_pose_refuses_heat_maps(runs: Runs) -> None:
    _, _, data, folder = runs["heatmaps"]
    rows = data.source("test", runs["heatmaps"][0].data.batch).rows
    with pytest.raises(ValueError, match="heat maps, which find key points"):
        predict(folder, rows)
    with pytest.raises(ValueError, match="heat maps, which find key points"):
        load_model(folder).check_pose()


def test_an_unknown_key_point_does_not_count(runs: Runs) -> None:
    """Neither as a miss nor as an error."""
    from equipose.orchestrator.evaluation.aligned import routes

    config, training, data, _ = runs["heatmaps"]
    batch = next(iter(data.source("test", config.data.batch).in_order())).to(dtype=training.dtype)
    found = batch.context["box"].new_zeros(len(batch), 17, 2)
    whole = routes._pixel_errors(found, batch)
    batch.targets["exact_keypoints"][0, 1:] = float("nan")
    batch.targets["exact_keypoints"][1] = float("nan")
    some = routes._pixel_errors(found, batch)
    assert some["epe_px"][0].isfinite()
    assert some["pck_share"][0] in (0, 1)
    assert some["epe_px"][1].isnan()
    assert some["pck_share"][1].isnan()
    assert some["epe_px"][2] == whole["epe_px"][2]


def test_what_does_not_go_together_is_refused(store: Path) -> None:
    config = config_of(store, "heatmaps")
    with pytest.raises(ValueError, match="does not go with a baseline; use baseline"):
        replace(config, objective=PoseError.Config())
    for field, words in (("context", r"lacks \['box'\]"), ("targets", r"lacks \['exact_keypoints'\]")):
        data = replace(config.data, batch=replace(config.data.batch, **{field: ()}))
        with pytest.raises(ValueError, match=words):
            replace(config, data=data)
    with pytest.raises(ValueError, match="the run's is a baseline"):
        config.fusion_model  # noqa: B018
    with pytest.raises(ValueError, match=r"model\.kind='lifter'"):
        from_json({**to_json(config), "model": {"kind": "lifter"}})


def test_settings_are_overridden_by_name(store: Path) -> None:
    changed = with_overrides(config_of(store, "videopose3d"), ["model.width=48", "model.dropout=0.1"])
    assert changed.model == BaselineConfig(
        architecture="videopose3d", preset="tiny", norm="layer", width=48, dropout=0.1
    )


@pytest.mark.slow
@pytest.mark.system
def test_two_ranks_equal_one(store: Path, tmp_path: Path) -> None:
    configs = {name: replace(config_of(store, name), epochs=1) for name in ARCHITECTURES}
    mp.spawn(rank_main, args=(free_port(), configs, str(tmp_path)), nprocs=2)
    for name, config in configs.items():
        alone = state_of(*train(config))
        for rank in (0, 1):
            found = torch.load(tmp_path / f"{name}-{rank}.pt", weights_only=True)
            assert_close(found, alone, 1e-10)
