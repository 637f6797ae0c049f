"""Routes and retrieval of an aligned model, and their files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from equipose.models.alignment.model import AlignedModel
from equipose.models.skeleton import SMPL12
from equipose.orchestrator.evaluation.aligned.evaluation import evaluate_aligned, load_aligned, save_aligned
from equipose.orchestrator.evaluation.aligned.retrieval import measure_alignment
from equipose.orchestrator.training.build import build_training
from equipose.orchestrator.training.data import RunData
from equipose.pipelines.batches.source import BatchSource
from equipose.pipelines.files.errors import DataError
from tests.orchestrator.aligned_runs import stage_configs, triplet_store


@pytest.fixture(scope="module")
def model_and_frames(tmp_path_factory: pytest.TempPathFactory) -> tuple[AlignedModel, BatchSource]:
    config = stage_configs(triplet_store(tmp_path_factory.mktemp("triplets") / "store"))[2]
    data = RunData.open(config.data)
    model = build_training(config, data).model
    assert isinstance(model, AlignedModel)
    return model, data.source("test", config.data.batch)


def test_every_frame_counts_for_every_route(model_and_frames: tuple[AlignedModel, BatchSource]) -> None:
    model, frames = model_and_frames
    routes = evaluate_aligned(model, frames).routes
    counts = dict(routes.group_by("route").len().iter_rows())
    assert counts == dict.fromkeys(
        (
            "exact_keypoints>pose",
            "image>pose",
            "keypoints>pose",
            "skeleton>pose",
            "image>keypoints",
        ),
        len(frames),
    )
    posed = routes.filter(pl.col("route") == "image>pose")
    assert posed["row"].to_list() == frames.rows.tolist()
    assert posed["epe_px"].null_count() == len(frames)
    assert (posed["pa_mpjpe_mm"] <= posed["n_mpjpe_mm"] + 1e-6).all()
    assert routes.filter(pl.col("route") == "image>keypoints")["epe_px"].is_finite().all()


def test_the_mean_over_actions_weighs_them_alike(model_and_frames: tuple[AlignedModel, BatchSource]) -> None:
    model, frames = model_and_frames
    evaluation = evaluate_aligned(model, frames)
    mine = evaluation.routes.filter(pl.col("route") == "image>pose")
    means = [mine.filter(pl.col("action") == action)["mpjpe_mm"].mean() for action in ("A02", "A05")]
    assert evaluation.mean("image>pose", "mpjpe_mm", by="action") == pytest.approx(np.mean(means))
    assert evaluation.mean("image>pose", "epe_px") is None


def test_the_gallery_is_fixed_and_named(model_and_frames: tuple[AlignedModel, BatchSource]) -> None:
    model, frames = model_and_frames
    once, again = measure_alignment(model, frames), measure_alignment(model, frames)
    assert once == again
    assert once.gallery == len(frames)
    assert len(once.directions) == 6
    fewer = measure_alignment(model, frames, most=5)
    assert fewer.gallery == 5
    assert fewer.rows_sha256 != once.rows_sha256
    for one in once.directions:
        assert one.recall_at_1 <= one.recall_at_5 <= one.recall_at_10 <= 1


def test_frames_that_lack_a_sensor_are_in_no_gallery(
    model_and_frames: tuple[AlignedModel, BatchSource],
) -> None:
    model, frames = model_and_frames
    part = BatchSource(frames.store, frames.rows, frames.config)
    valid = part._valid.copy()
    valid[frames.rows[:2], 1] = False
    part.__dict__["_valid"] = valid
    assert measure_alignment(model, part).gallery == len(frames) - 2
    valid[frames.rows, 1] = False
    with pytest.raises(ValueError, match="no frame has every sensor"):
        measure_alignment(model, part)


def test_files_keep_everything_and_damage_is_named(
    model_and_frames: tuple[AlignedModel, BatchSource], tmp_path: Path
) -> None:
    evaluation = evaluate_aligned(*model_and_frames)
    save_aligned(evaluation, tmp_path / "kept")
    loaded = load_aligned(tmp_path / "kept")
    assert loaded.alignment == evaluation.alignment
    assert loaded.routes.equals(evaluation.routes)
    assert loaded.label == "ddim, 5 steps, 1 hypothesis"
    assert loaded.metrics("test") == evaluation.metrics("test")
    (tmp_path / "kept" / "routes.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"routes\.parquet.*damaged"):
        load_aligned(tmp_path / "kept")


def test_joints_that_the_data_lacks_are_not_judged(
    model_and_frames: tuple[AlignedModel, BatchSource],
) -> None:
    model, frames = model_and_frames
    whole, some = evaluate_aligned(model, frames), evaluate_aligned(model, frames, SMPL12)
    posed = some.routes.filter(pl.col("route") == "keypoints>pose")
    assert posed["pa_mpjpe_j14_mm"].null_count() == len(frames)
    assert posed["mpjpe_mm"].is_finite().all()
    assert some.mean("keypoints>pose", "mpjpe_mm") != whole.mean("keypoints>pose", "mpjpe_mm")
    assert some.mean("image>keypoints", "epe_px") == whole.mean("image>keypoints", "epe_px")
    retrieved = [one.retrieved_mpjpe_mm for one in some.alignment.directions]
    assert retrieved != [one.retrieved_mpjpe_mm for one in whole.alignment.directions]
    assert [one.recall_at_1 for one in some.alignment.directions] == [
        one.recall_at_1 for one in whole.alignment.directions
    ]
