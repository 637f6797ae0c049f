"""What a sweep searches, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from equipose.balancing.methods.awc.awc import AWC
from equipose.models.build import ModelConfig
from equipose.orchestrator.ray_train.run import Resources
from equipose.orchestrator.sweep.config import SearchSpace, SweepConfig
from equipose.orchestrator.training.config import DataConfig, TrainConfig


def sweep(**changes: Any) -> SweepConfig:
    base = SweepConfig(
        name="s",
        base=TrainConfig(data=DataConfig(store="none"), model=ModelConfig(preset="tiny"), epochs=8),
        awc=AWC.Config(fisher="per_batch"),
        paper_window=3,
        space=SearchSpace(window=(0, 6)),
        grace_epochs=7,
        resources=Resources(),
    )
    return replace(base, **changes)


def test_trial_0_is_the_reference_and_every_fusion_has_its_plain_run() -> None:
    points = sweep().enqueued()
    assert points[0] == {"strength": 0.3, "weak_share": 0.0, "window": 3, "fusion": "concat"}
    assert {(p["fusion"], p["window"]) for p in points} == {
        (fusion, window) for fusion in ("concat", "mlp", "attention") for window in (0, 3)
    }


def test_where_alphas_are_searched_trial_0_is_the_paper() -> None:
    first = sweep(space=SearchSpace(kind="alpha", strength=(1e3, 1e6), window=(0, 6))).enqueued()[0]
    assert first == {"strength": 20_000.0, "weak_share": 0.5, "window": 3, "fusion": "concat"}


def test_the_default_ratio_is_that_of_the_method() -> None:
    method = sweep().run_config(sweep().enqueued()[0]).method
    assert isinstance(method, AWC.Config)
    assert (method.ratio_s, method.ratio_i) == (AWC.Config().ratio_s, AWC.Config().ratio_i)


@pytest.mark.parametrize("kind", ["ratio", "alpha"])
def test_a_point_becomes_a_run(kind: Any) -> None:
    config = sweep(space=SearchSpace(kind=kind, window=(0, 6)))
    run = config.run_config({"strength": 0.4, "weak_share": 0.25, "window": 2, "fusion": "mlp", "number": 9})
    assert isinstance(run.method, AWC.Config)
    assert (run.method.strong_and_weak, run.method.window) == ((0.4, 0.1), 2)
    assert run.method.strength == kind
    assert run.method.fisher == "per_batch", "what is not searched is kept"
    assert run.model.fusion == "mlp"
    assert replace(run, method=config.base.method, model=config.base.model) == config.base


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trials": 5}, "trials must be at least 6"),
        ({"grace_epochs": 9}, r"grace_epochs must lie in \[1, epochs=8\], got 9"),
        ({"grace_epochs": 0}, "grace_epochs"),
        ({"concurrency": 0}, "concurrency must be at least 1, got 0"),
    ],
)
def test_impossible_sweeps_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sweep(**changes)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"strength": (1e6, 1e3)}, r"space.strength must be \(low, high\)"),
        ({"strength": (0.0, 1.0)}, "searched on a log scale"),
        ({"window": (3, 1)}, "space.window"),
        ({"fusion": ()}, "at least one fusion"),
    ],
)
def test_impossible_spaces_are_refused(space: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SearchSpace(**space)
