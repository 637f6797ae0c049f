"""`torch.func` and our layer rules give one Fisher diagonal, and what it cannot run is named."""

from __future__ import annotations

import pytest
import torch

from benchmarks.balancing.fisher import loss, random_batch
from benchmarks.peers import per_sample
from equipose.balancing.fisher.diagonal import fisher_diagonal
from equipose.models.build import ModelConfig, build_model

RUNNABLE = [sensors for sensors in per_sample.SUBSETS if "lidar" not in sensors]


@pytest.mark.parametrize("sensors", RUNNABLE, ids=lambda sensors: "-".join(sensors))
def test_both_give_the_same_diagonal(sensors: tuple[str, ...]) -> None:
    model = build_model(ModelConfig(preset="tiny", modalities=sensors, head_init="zeros"), seed=0)
    batch = per_sample.chosen(random_batch(5), sensors)
    ours, theirs = fisher_diagonal(model, [batch], loss), per_sample.functional_diagonal(model, batch)
    assert per_sample.require_same(ours, theirs) < 1e-5
    name = max(ours, key=lambda name: float(ours[name].max()))
    with pytest.raises(AssertionError, match="Fisher diagonals differ by"):
        per_sample.require_same(ours, {**theirs, name: 1.001 * theirs[name]})


def test_the_operator_that_cannot_run_is_named() -> None:
    """The farthest points of LiDAR are found with an output argument, which `vmap` does not take."""
    model = build_model(ModelConfig(preset="tiny", modalities=("lidar",), head_init="zeros"), seed=0)
    batch = per_sample.chosen(random_batch(3), ("lidar",))
    assert per_sample.missing_operator(model, batch) == "aten::minimum.out"
    with per_sample.CopiedOutputs():
        theirs = per_sample.functional_diagonal(model, batch)
    assert per_sample.require_same(fisher_diagonal(model, [batch], loss), theirs) < 1e-5
    text = per_sample.row(("lidar",), "tiny", samples=2, rounds=1)
    assert text.startswith("| lidar; `aten::minimum.out` has no batching rule, its result is copied | ")


def test_what_cannot_run_at_all_has_no_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(per_sample, "missing_operator", lambda model, batch: "aten::sort")
    text = per_sample.row(("rgb",), "tiny", samples=2, rounds=1)
    assert "| cannot run: no batching rule for `aten::sort` |" in text


def test_a_model_that_runs_misses_nothing() -> None:
    model = build_model(ModelConfig(preset="tiny", modalities=("rgb",), head_init="zeros"), seed=0)
    assert per_sample.missing_operator(model, per_sample.chosen(random_batch(2), ("rgb",))) is None


def test_peak_counts_what_is_held_at_once() -> None:
    mebi = 2**18

    def run() -> None:
        first = torch.zeros(mebi)
        second = first + 1
        del first
        second.mul_(2)
        torch.zeros(mebi // 2)

    assert per_sample.peak_mib(run) == pytest.approx(2, abs=0.01)


def test_a_row_has_times_and_peaks() -> None:
    cells = per_sample.row(("rgb",), "tiny", samples=3, rounds=1).split(" | ")
    assert len(cells) == 7
    assert cells[3].endswith("x")
    assert cells[4].endswith("MiB")
