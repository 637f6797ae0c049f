"""Evaluation of every subset: against a full forward per subset, scipy's Procrustes, and damage on disk."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.linalg import orthogonal_procrustes

from equipose.models.batch import Batch
from equipose.models.build import ModelConfig, build_model
from equipose.models.model import PoseModel
from equipose.models.sensors import DEFAULT_SENSORS, point_views, subset_name
from equipose.models.skeleton import JOINTS
from equipose.orchestrator.evaluation.evaluation import (
    Evaluation,
    evaluate,
    load_evaluation,
    save_evaluation,
)
from equipose.pipelines.batches.sharding import evenly_spaced
from equipose.pipelines.batches.source import BatchConfig, BatchSource
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.store import Store, StoreHeader, StoreWriter

FRAMES = 48
BATCHES = BatchConfig(batch_size=10, views=point_views(lidar=16, mmwave=8))


@pytest.fixture(scope="module")
def gappy(small_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Four recordings; in two of them some frames lack WiFi, some RGB, one both."""
    writer = StoreWriter(tmp_path_factory.mktemp("gappy") / "store", StoreHeader(source="test"))
    for i in range(4):
        sequence = small_store.sequence(i)
        valid = {name: mask.copy() for name, mask in sequence.valid.items()}
        wifi, rgb = sequence.signals["wifi"].copy(), sequence.signals["rgb"].copy()
        gone = {"wifi": slice(0, 3), "rgb": slice(2, 5)} if i % 2 else {}
        for name, frames in gone.items():
            valid[name][frames] = False
        wifi[~valid["wifi"]], rgb[~valid["rgb"]] = 0, 0
        writer.write(replace(sequence, valid=valid, signals={**sequence.signals, "wifi": wifi, "rgb": rgb}))
    return writer.finish()


def model_of(modalities: tuple[str, ...] = DEFAULT_SENSORS, fusion: str = "mlp") -> PoseModel:
    config = ModelConfig(preset="tiny", fusion=fusion, modalities=modalities)  # type: ignore[arg-type]
    return build_model(config, mean_pose=torch.randn(17, 3, generator=torch.manual_seed(1)), seed=5)


@pytest.fixture(scope="module")
def source(gappy: Store) -> BatchSource:
    """All frames, backwards: the order of evaluation is that of the rows given."""
    return BatchSource(gappy, np.arange(FRAMES)[::-1].copy(), BATCHES)


@pytest.fixture(scope="module")
def evaluation(source: BatchSource) -> Evaluation:
    return evaluate(model_of(), source, seed=3)


def without_absent(batch: Batch, mask: int) -> Batch:
    """The batch as a full forward would see it, if only the sensors of `mask` had been there."""
    chosen = torch.tensor([bool(mask >> m & 1) for m in range(batch.present.shape[1])])
    return replace(batch, present=batch.present & chosen)


def pa_mm(prediction: np.ndarray, truth: np.ndarray) -> float:
    """PA-MPJPE of one frame [17, 3], mm, by scipy's orthogonal Procrustes with the mirror image undone."""
    x, y = prediction - prediction.mean(0), truth - truth.mean(0)
    rotation, _ = orthogonal_procrustes(x, y)
    if np.linalg.det(rotation) < 0:
        u, _, vh = np.linalg.svd(x.T @ y)
        rotation = u @ np.diag([1, 1, -1]) @ vh
    scale = np.sum((x @ rotation) * y) / np.sum(x**2)
    return float(1000 * np.linalg.norm(scale * x @ rotation - y, axis=1).mean())


@pytest.mark.parametrize("fusion", ["concat", "mlp", "attention"])
def test_equals_a_full_forward_per_subset(source: BatchSource, fusion: str) -> None:
    model = model_of(fusion=fusion)
    found = evaluate(model, source, seed=3)
    model.eval()
    for mask in (1, 6, 8, 15):
        with torch.no_grad():
            pairs = [(model(without_absent(batch, mask)).pose, batch.pose) for batch in source.in_order()]
        predicted, truth = (torch.cat(part).double().numpy() for part in zip(*pairs, strict=True))
        mine = found.frames.filter(pl.col("subset") == subset_name(mask))
        assert mine["row"].to_list() == source.rows.tolist()
        by_joint = 1000 * np.linalg.norm(predicted - truth, axis=-1)
        assert_allclose(mine["mpjpe_mm"], by_joint.mean(axis=1), atol=2e-3)
        expected = [pa_mm(p, y) for p, y in zip(predicted, truth, strict=True)]
        assert_allclose(mine["pa_mpjpe_mm"], expected, atol=2e-3)
        sums = found.joints.filter(pl.col("subset") == subset_name(mask)).group_by(
            "joint", maintain_order=True
        )
        table = sums.agg(pl.col("error_sum_mm", "count").sum())
        assert table["joint"].to_list() == list(JOINTS)
        assert table["count"].to_list() == [FRAMES] * 17
        assert_allclose(table["error_sum_mm"] / FRAMES, by_joint.mean(axis=0), atol=2e-3)


def test_every_subset_has_every_frame_though_sensors_are_missing(
    evaluation: Evaluation, gappy: Store
) -> None:
    invalid = gappy.index.filter(~pl.col("valid_wifi") | ~pl.col("valid_rgb"))
    assert len(invalid) == 10
    counts = evaluation.frames.group_by("subset", maintain_order=True).agg(rows=pl.col("row").n_unique())
    assert counts["subset"].to_list() == [subset_name(mask) for mask in range(1, 16)]
    assert counts["rows"].to_list() == [FRAMES] * 15
    assert len(evaluation.frames) == 15 * FRAMES


def test_absent_sensors_change_nothing_when_left_out(evaluation: Evaluation, gappy: Store) -> None:
    """Where WiFi is missing, adding it to a subset gives the same pose; elsewhere another one."""
    wide = evaluation.frames.pivot("subset", index="row", values="mpjpe_mm").sort("row")
    missing = ~gappy.index["valid_wifi"].to_numpy()
    same = np.isclose(wide["RLM"].to_numpy(), wide["RLMW"].to_numpy(), rtol=0, atol=1e-9)
    assert same[missing].all()
    assert not same[~missing].any()


def test_labels_are_those_of_the_index(evaluation: Evaluation, gappy: Store) -> None:
    names = ["environment", "subject", "action", "sequence"]
    joined = evaluation.frames.join(gappy.index, on="row", suffix="_store")
    for name in names:
        assert joined[name].equals(joined[f"{name}_store"].alias(name)), name
    recordings = evaluation.joints.select("environment", "subject", "action").unique()
    assert recordings.sort("subject", "action").equals(
        gappy.index.select("environment", "subject", "action").unique().sort("subject", "action")
    )


def test_frames_joints_and_report_tell_the_same(evaluation: Evaluation) -> None:
    means = evaluation.frames.group_by("subset", maintain_order=True).agg(pl.col("mpjpe_mm").mean())
    assert_allclose(means["mpjpe_mm"], evaluation.report.mpjpe_mm[1:], rtol=1e-12)
    per_joint = evaluation.joints.group_by("subset", maintain_order=True).agg(
        mm=pl.col("error_sum_mm").sum() / pl.col("count").sum()
    )
    assert_allclose(per_joint["mm"], means["mpjpe_mm"], rtol=1e-12)
    keys = ["subset", "subject", "action"]
    by_recording = evaluation.joints.group_by(keys).agg(pl.col("error_sum_mm").mean()).sort(keys)
    sums = evaluation.frames.group_by(keys).agg(pl.col("mpjpe_mm").sum()).sort(keys)
    assert_allclose(by_recording["error_sum_mm"], sums["mpjpe_mm"], rtol=1e-12)
    assert evaluation.full == "RLMW"
    assert evaluation.mpjpe_mm == pytest.approx(means["mpjpe_mm"][-1], rel=1e-12)
    assert evaluation.report.num_samples == FRAMES
    assert evaluation.provenance == "simulated data"


def test_spread_is_that_of_the_poses(evaluation: Evaluation, source: BatchSource) -> None:
    truth = torch.cat([batch.pose for batch in source.in_order()]).double().flatten(1)
    expected = 1000 * float(truth.std(dim=0, correction=0).mean())
    assert evaluation.truth_spread_mm == pytest.approx(expected, rel=1e-9)
    full = evaluation.spread.filter(pl.col("subset") == "RLMW")
    assert full["spread_mm"].item() == pytest.approx(float(evaluation.report.spread_mm[-1]))
    assert full["share"].item() == pytest.approx(full["spread_mm"].item() / expected)


@pytest.mark.parametrize("modalities", [("wifi",), ("mmwave", "rgb")])
def test_any_number_of_sensors(source: BatchSource, modalities: tuple[str, ...]) -> None:
    model = model_of(modalities).train()
    found = evaluate(model, source, seed=3)
    assert model.training
    names = {1: ["W"], 2: ["M", "R", "MR"]}[len(modalities)]
    assert found.frames["subset"].unique(maintain_order=True).to_list() == names
    assert len(found.frames) == len(names) * FRAMES
    assert found.features.shape == (FRAMES, len(modalities), model.encode(next(source.in_order())).shape[2])


def test_features_are_those_of_evenly_spaced_frames(
    source: BatchSource, evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("equipose.orchestrator.evaluation.evaluation.MOST_FEATURES", 7)
    few = evaluate(model_of(), source, seed=3)
    assert few.features.dtype == np.float32
    assert few.feature_rows.tolist() == source.rows[[0, 6, 13, 20, 27, 34, 41]].tolist()
    assert_allclose(few.features, evaluation.features[[0, 6, 13, 20, 27, 34, 41]])
    assert set(few.feature_arrays) == set(DEFAULT_SENSORS)
    assert evenly_spaced(3, 500).tolist() == [0, 1, 2]


def test_saved_and_loaded_it_is_the_same_to_the_bit(evaluation: Evaluation, tmp_path: Path) -> None:
    folder = tmp_path / "cells" / "evaluation"
    save_evaluation(replace(evaluation, provenance="older"), folder)
    save_evaluation(evaluation, folder)
    assert [path.name for path in folder.parent.iterdir()] == ["evaluation"]
    found = load_evaluation(folder)
    assert found.frames.equals(evaluation.frames)
    assert found.frames.schema == evaluation.frames.schema
    assert found.joints.equals(evaluation.joints)
    for item in fields(evaluation.report):
        before, after = getattr(evaluation.report, item.name), getattr(found.report, item.name)
        same = torch.equal(before, after) if isinstance(before, torch.Tensor) else before == after
        assert same, item.name
    np.testing.assert_array_equal(found.features, evaluation.features)
    np.testing.assert_array_equal(found.feature_rows, evaluation.feature_rows)
    for name in ("modalities", "provenance", "truth_spread_mm"):
        assert getattr(found, name) == getattr(evaluation, name)


def test_missing_intervals_survive(source: BatchSource, tmp_path: Path) -> None:
    one = BatchSource(source.store, np.arange(6), BATCHES)
    save_evaluation(evaluate(model_of(("rgb",)), one, seed=0), tmp_path / "one")
    report = load_evaluation(tmp_path / "one").report
    assert report.low.isnan().all()
    assert report.low.dtype == torch.float64
    assert "NaN" not in (tmp_path / "one" / "report.json").read_text()


def test_an_interrupted_save_leaves_what_was_there(
    evaluation: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "evaluation"
    save_evaluation(evaluation, folder)

    def full(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("equipose.orchestrator.evaluation.evaluation.seal", full)
        with pytest.raises(OSError, match="no space left"):
            save_evaluation(replace(evaluation, provenance="newer"), folder)
    assert load_evaluation(folder).provenance == evaluation.provenance
    assert [path.name for path in tmp_path.iterdir()] == ["evaluation"]


@pytest.mark.parametrize("name", ["frames.parquet", "joints.parquet", "features.npy", "report.json"])
def test_damage_is_found_and_the_file_named(evaluation: Evaluation, tmp_path: Path, name: str) -> None:
    save_evaluation(evaluation, tmp_path / "e")
    path = tmp_path / "e" / name
    content = path.read_bytes()
    middle = len(content) // 2
    digit = content[:middle].rfind(b"1") if name == "report.json" else middle
    flipped = content[:digit] + (b"7" if content[digit : digit + 1] != b"7" else b"8") + content[digit + 1 :]
    for damaged in (content[:middle], flipped, b""):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=f"{name}: content is damaged"):
            load_evaluation(tmp_path / "e")
    path.unlink()
    with pytest.raises(DataError, match=f"{name}: file is absent; evaluate the model again"):
        load_evaluation(tmp_path / "e")


def test_nothing_to_evaluate_and_a_diverged_model(source: BatchSource) -> None:
    with pytest.raises(ValueError, match="no frames to evaluate"):
        evaluate(model_of(), BatchSource(source.store, np.arange(0), BATCHES), seed=0)
    model = model_of(("rgb",))
    model.head.linear.bias.data.fill_(torch.nan)
    with pytest.raises(ValueError, match="NaN or infinity"):
        evaluate(model, source, seed=0)
