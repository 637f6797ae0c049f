"""Latency is that of exactly the sensors of a subset; times themselves are not judged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from equipose.orchestrator.checkpoints.trained_model import TrainedModel, load_model
from equipose.orchestrator.evaluation import latency as module
from equipose.orchestrator.evaluation.latency import held, machine_name, measure_latencies
from equipose.pipelines.store import Store

SUBSETS = {"R": ("rgb",), "LW": ("lidar", "wifi"), "RLMW": ("rgb", "lidar", "mmwave", "wifi")}


@pytest.fixture
def trained(trained_run: Path) -> TrainedModel:
    return load_model(trained_run)


def test_a_pass_with_some_sensors_is_that_with_the_others_marked_absent(
    trained: TrainedModel, small_store: Store
) -> None:
    (batch,) = trained.batches(np.arange(6), small_store).in_order()
    model = trained.model
    for sensors in SUBSETS.values():
        chosen = torch.tensor([name in sensors for name in trained.sensors])
        with torch.no_grad():
            expected = model.fuse(model.encode(batch), batch.present & chosen)
            torch.testing.assert_close(model.fuse(*model.encode_held(held(batch, sensors))), expected)
    with pytest.raises(ValueError, match="no sensor of the model"):
        model.encode_held(held(batch, ()))


def test_only_the_encoders_of_a_subset_run_as_often_and_as_large_as_asked(
    trained: TrainedModel, small_store: Store
) -> None:
    seen: dict[str, list[int]] = {name: [] for name in trained.sensors}
    for name, encoder in trained.model.encoders.items():
        encoder.register_forward_hook(lambda *args, name=name: seen[name].append(len(args[2])))
    found = measure_latencies(trained, small_store, 3, SUBSETS, sizes=(1, 8), rounds=3)
    # Once before counting, and three times counted, for each size and each subset with the sensor.
    expected = {"rgb": 2, "lidar": 2, "mmwave": 1, "wifi": 2}
    for name, times in expected.items():
        assert sorted(seen[name]) == [1] * 4 * times + [8] * 4 * times, name
    assert found.rounds == 3
    assert {size: set(times) for size, times in found.milliseconds.items()} == {
        size: set(SUBSETS) for size in (1, 8)
    }
    assert all(ms > 0 for times in found.milliseconds.values() for ms in times.values())


def test_medians_are_in_milliseconds(
    trained: TrainedModel, small_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = iter([9.0, 0.001, 0.005, 0.002])  # the first one warms up
    monkeypatch.setattr(module, "_seconds", lambda *_: next(seconds))
    found = measure_latencies(trained, small_store, 0, {"R": ("rgb",)}, sizes=(1,), rounds=3)
    assert found.milliseconds == {1: {"R": pytest.approx(2.0)}}


def test_slow_models_get_fewer_rounds_and_it_is_said(
    trained: TrainedModel, small_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.0)
    found = measure_latencies(trained, small_store, 0, SUBSETS, sizes=(1,), rounds=40)
    assert found.rounds == module.FEWEST
    assert f"median of {module.FEWEST} or more passes" in found.text


def test_the_machine_is_named(tmp_path: Path) -> None:
    words = machine_name(torch.device("cpu"))
    assert torch.__version__ in words
    assert "load average" in words
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nmodel name\t: Fast One\n")
    assert module._processor(info) == "Fast One"
    assert module._processor(tmp_path / "absent")
