"""Validation: one pass gives the errors, every subset's error and the contributions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from equipose.balancing.shapley.coalitions import coalitions_of
from equipose.balancing.shapley.report import contribution_report
from equipose.balancing.shapley.statistics import CoalitionStatistics
from equipose.balancing.shapley.value_functions import pearson_profit
from equipose.balancing.shapley.values import shapley_values
from equipose.models.batch import Batch
from equipose.models.build import ModelConfig
from equipose.models.fusion import FUSIONS, FusionOptions
from equipose.models.heads import PoseHead
from equipose.models.model import PoseModel
from equipose.models.pose_errors import mpjpe
from equipose.models.sensors import point_views
from equipose.orchestrator.checkpoints import state as checkpoints
from equipose.orchestrator.evaluation.coalition_pool import CoalitionWorker
from equipose.orchestrator.evaluation.report_formats import report_markdown, report_metrics
from equipose.orchestrator.training.build import build_training
from equipose.orchestrator.training.config import DataConfig, TrainConfig
from equipose.orchestrator.training.ranks import Ranks
from equipose.orchestrator.training.state import Training
from equipose.orchestrator.training.validation import Validation, recordings, validate
from equipose.pipelines.batches.source import BatchConfig

MODALITIES = ("rgb", "lidar", "mmwave", "wifi")


def config_of(store: Path, fusion: str = "concat") -> TrainConfig:
    return TrainConfig(
        data=DataConfig(
            store=str(store), batch=BatchConfig(batch_size=10, views=point_views(lidar=16, mmwave=8))
        ),
        model=ModelConfig(preset="tiny", fusion=fusion),  # type: ignore[arg-type]
        dtype="float64",
    )


def in_order(training: Training, rank: int = 0, ranks: int = 1) -> Iterator[Any]:
    return training.moved(training.validation.share(rank, ranks))


@pytest.fixture
def training(store_path: Path) -> Training:
    return build_training(config_of(store_path, "mlp"))


@pytest.fixture
def result(training: Training) -> Validation:
    return validate(training.model, in_order(training))


def test_names(result: Validation) -> None:
    names = set(result.metrics())
    subsets = {name.split("/")[1] for name in names if name.startswith("subset/")}
    assert len(subsets) == 15
    assert {"R", "RL", "RLMW"} <= subsets
    errors = {f"val/{name}" for name in ("mpjpe_mm", "root_mpjpe_mm", "pa_mpjpe_mm", "pck_150mm")}
    contributions = {
        name
        for m in MODALITIES
        for name in (f"shapley/{m}", f"contrib/share/{m}", f"spread/{m}_mm", f"mean/{m}_mm")
    }
    assert names == errors | contributions | {f"subset/{subset}/mpjpe_mm" for subset in subsets}


def test_errors_are_those_of_a_plain_forward(training: Training, result: Validation) -> None:
    training.model.eval()
    with torch.no_grad():
        errors = torch.cat([mpjpe(training.model(b).pose, b.pose) for b in in_order(training)])
    assert result.mpjpe_mm == pytest.approx(1000 * float(errors.mean()), rel=1e-12)
    assert result.metrics()["subset/RLMW/mpjpe_mm"] == pytest.approx(result.mpjpe_mm, rel=1e-12)
    assert float(result.statistics.count.sum()) == len(training.validation)


def test_shares_add_up_and_the_model_is_left_as_it_was(training: Training) -> None:
    training.model.train()
    before = {name: buffer.clone() for name, buffer in training.model.named_buffers()}
    metrics = validate(training.model, in_order(training)).metrics()
    assert sum(abs(metrics[f"contrib/share/{m}"]) for m in MODALITIES) == pytest.approx(1)
    assert training.model.training
    for name, buffer in training.model.named_buffers():
        assert torch.equal(buffer, before[name]), name


@pytest.mark.parametrize("fusion", ["concat", "mlp", "attention"])
def test_equals_the_coalition_pool(store_path: Path, tmp_path: Path, fusion: str) -> None:
    config = config_of(store_path, fusion)
    training = build_training(config)
    checkpoints.save(training, config, tmp_path, {})
    result = validate(training.model, in_order(training), value_function="negative_mpjpe")
    pool = CoalitionWorker(str(tmp_path)).evaluate(0, training.validation.rows, 0, 16)
    torch.testing.assert_close(pool.mpjpe_mm(), result.statistics.mpjpe_mm(), rtol=0, atol=1e-9)
    gain = pool.mpjpe_mm()[0] - pool.mpjpe_mm()[-1]
    assert float(result.shapley.sum()) == pytest.approx(float(gain), abs=1e-9)


class OneOfTwo(Ranks):
    """A rank that meets the other one's statistics in a shared list instead of a process group."""

    shared: ClassVar[list[list[CoalitionStatistics]]] = []

    def gather(self, value: Any) -> list[Any]:
        self.shared.append(value)
        return list(self.shared)


def test_two_ranks_merge_to_one(
    training: Training, result: Validation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OneOfTwo, "shared", [])
    validate(training.model, in_order(training, 0, 2), ranks=OneOfTwo(rank=0, world_size=2))
    both = validate(training.model, in_order(training, 1, 2), ranks=OneOfTwo(rank=1, world_size=2))
    assert float(both.statistics.count.sum()) == len(training.validation)
    torch.testing.assert_close(both.shapley, result.shapley, rtol=0, atol=1e-9)
    torch.testing.assert_close(both.statistics.mpjpe_mm(), result.statistics.mpjpe_mm(), rtol=0, atol=1e-9)


def test_nothing_to_validate_on(training: Training) -> None:
    with pytest.raises(ValueError, match="nothing to validate on"):
        validate(training.model, [])
    with pytest.raises(ValueError, match="unknown value function 'accuracy'"):
        validate(training.model, in_order(training), value_function="accuracy")


class Flat(torch.nn.Module):
    """An encoder for a toy sensor: [B, 3] to [B, 4]."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(3, 4)

    def forward(self, inputs: Tensor, mask: Tensor | None) -> Tensor:
        features: Tensor = self.layer(inputs)
        return features


def test_ten_modalities_are_judged_by_a_sample_of_their_coalitions() -> None:
    torch.manual_seed(0)
    names = tuple(f"s{m}" for m in range(10))
    options = FusionOptions(hidden=8, layers=1)
    fusion = FUSIONS["mlp"](10, 4, options)
    model = PoseModel({name: Flat() for name in names}, fusion, PoseHead(fusion.width, None))
    code = torch.ones(6, dtype=torch.int64)
    batch = Batch(
        inputs={name: torch.randn(6, 3) for name in names},
        masks={},
        present=torch.ones(6, 10, dtype=torch.bool),
        pose=torch.randn(6, 17, 3),
        index=torch.arange(6),
        labels={"environment": code, "subject": torch.arange(6), "action": code},
    )
    found = validate(model, [batch])
    assert found.statistics.mean.shape[1] == len(coalitions_of(10).codes) < 1024
    metrics = found.metrics()
    assert sum(name.startswith("subset/") for name in metrics) == 21
    assert metrics["shapley/s3/sampling_error"] > 0

    every = coalitions_of(10, exact_up_to=10).masks
    with torch.no_grad():
        predictions = model.fuse_coalitions(model.encode(batch), every)
    everything = CoalitionStatistics.from_predictions(predictions, batch.pose, recordings(batch))
    exact = shapley_values(pearson_profit(everything))
    assert float(((found.shapley - exact).abs() / found.sampling_error).max()) < 5
    assert metrics["subset/s3/mpjpe_mm"] == pytest.approx(float(everything.mpjpe_mm()[1 << 3]), rel=1e-5)

    report = contribution_report(found.statistics, names, seed=0, draws=50)
    assert report.interactions.isnan().all()
    text = report_markdown(report, "Test part", "simulated data")
    assert f"{len(coalitions_of(10).codes)} of 1024 coalitions" in text
    assert "test/shapley/s3/sampling_error" in report_metrics(report, "test")
