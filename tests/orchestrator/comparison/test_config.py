"""A comparison's cells: equal budget for all, tuned apart from what is tested, in a useful order."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from equipose.balancing.methods.plain import Plain
from equipose.balancing.registry import METHODS, method_name
from equipose.balancing.search_spaces import search_space
from equipose.orchestrator.comparison.config import LR_FACTORS, ComparisonConfig, Setting, best_candidate
from equipose.orchestrator.grid.run_spec import RunResult
from equipose.orchestrator.training.config import TrainConfig

NAMES = ("plain", "awc", "ogm_ge")


@pytest.fixture
def build(small_run: TrainConfig) -> Callable[..., ComparisonConfig]:
    """A comparison of three methods, with changes."""

    def build(**changes: Any) -> ComparisonConfig:
        methods = tuple(METHODS[name].Config() for name in NAMES)
        return ComparisonConfig(**{"name": "c", "base": small_run, "methods": methods, **changes})

    return build


Build = Callable[..., ComparisonConfig]


def test_every_method_is_tried_equally_often(build: Build) -> None:
    config = build(budget=4, fusions=("concat", "mlp"), splits=(("P1", "S1"), ("P1", "S2")))
    tuning = config.tuning_cells()
    assert set(tuning) == {(setting, name) for setting in config.settings for name in NAMES}
    assert {len(cells) for cells in tuning.values()} == {4}
    for (setting, name), cells in tuning.items():
        for cell in cells:
            assert method_name(cell.config.method) == name
            assert cell.config.model.fusion == setting.fusion
            assert (cell.config.data.protocol, cell.config.data.split) == (setting.protocol, setting.split)
            assert (cell.stage, cell.evaluate) == ("tuning", False)
            assert cell.config.seed == config.tuning_seed not in config.seeds
    names = [cell.name for cells in tuning.values() for cell in cells]
    assert len(set(names)) == len(names)


def test_the_defaults_come_first_and_the_rest_at_the_same_places_for_all(build: Build) -> None:
    config = build(budget=6)
    (setting,) = config.settings
    places = []
    for method in config.methods:
        first, *others = config.candidates(setting, method)
        assert first == replace(config.base, method=method, seed=config.tuning_seed)
        factors = [other.optimizer.lr / config.base.optimizer.lr for other in others]
        assert all(LR_FACTORS[0] <= factor <= LR_FACTORS[1] for factor in factors)
        assert len({round(factor, 9) for factor in [1.0, *factors]}) == 6, "no learning rate is tried twice"
        places.append([round(factor, 9) for factor in factors])
        positions = {}
        for field, scale in search_space(method).items():
            assert getattr(others[0].method, field) == getattr(method, field), "the learning rate alone"
            values = [getattr(other.method, field) for other in others[1:]]
            positions[field] = [
                round(math.log(v / scale.low) / math.log(scale.high / scale.low), 9) for v in values
            ]
        places += positions.values()
        settings = [replace(other, optimizer=config.base.optimizer, method=method) for other in others]
        assert settings == [first] * 5, "nothing else is varied"
    lrs, own = [places[0], places[1], places[4]], [places[2], places[3], places[5]]
    assert lrs == [lrs[0]] * 3
    assert own == [own[0]] * 3


def test_without_budget_the_defaults_are_taken(build: Build) -> None:
    config = build(budget=1)
    (setting,) = config.settings
    assert config.tuning_cells() == {}
    assert config.candidates(setting, Plain.Config()) == [
        replace(config.base, method=Plain.Config(), seed=config.tuning_seed)
    ]
    assert config.defaults()[setting, "plain"] == replace(config.base, method=Plain.Config())


def test_seeds_vary_slowest(build: Build) -> None:
    config = build(fusions=("concat", "mlp"), seeds=(0, 1))
    cells = config.final_cells(config.defaults())
    wanted = [
        f"{name} s{seed} {fusion} P1-S1" for seed in (0, 1) for fusion in ("concat", "mlp") for name in NAMES
    ]
    assert [cell.name for cell in cells] == wanted
    assert all(cell.evaluate and cell.stage == "test" for cell in cells)
    assert [cell.config.seed for cell in cells] == [0] * 6 + [1] * 6


def test_what_was_chosen_is_trained(build: Build) -> None:
    config = build(select="last", workers=2)
    chosen = config.defaults()
    (setting,) = config.settings
    fast = replace(chosen[setting, "awc"], optimizer=replace(config.base.optimizer, lr=0.5))
    cells = config.final_cells({**chosen, (setting, "awc"): fast})
    assert [cell.name for cell in cells] == [f"{name} s{seed}" for seed in (0, 1, 2) for name in NAMES]
    assert [cell.config for cell in cells if "awc" in cell.name] == [
        replace(fast, seed=seed) for seed in (0, 1, 2)
    ]
    assert {(cell.select, cell.workers) for cell in cells} == {("last", 2)}


def test_every_sensor_alone_once_per_split(build: Build) -> None:
    config = build(fusions=("mlp", "concat"), splits=(("P1", "S1"), ("P1", "S3")), seeds=(0, 7))
    cells = config.alone_cells()
    modalities = config.base.model.modalities
    assert len(cells) == len({cell.name for cell in cells}) == 2 * 2 * len(modalities)
    for cell in cells:
        (only,) = cell.config.model.modalities
        assert cell.config.data.batch.modalities == (only,)
        assert cell.name.startswith(f"{only} alone s{cell.config.seed}")
        assert isinstance(cell.config.method, Plain.Config)
        assert cell.config.model.fusion == "mlp"
        assert cell.evaluate
    assert build(alone=False).alone_cells() == []


def result(config: TrainConfig, *errors: float) -> RunResult:
    best = [min(errors[: i + 1]) for i in range(len(errors))]
    history = tuple({"best/mpjpe_mm": b, "best/epoch": float(errors.index(b))} for b in best)
    return RunResult(
        key="k", config=config, fingerprint="f", provenance="p", parameters=1, history=history, folder=Path()
    )


@pytest.mark.parametrize(
    ("errors", "chosen"),
    [
        ([(9.0, 5.0), (7.0, 4.0), (6.0, 6.0)], 1),
        ([(9.0, 3.0, 8.0), (7.0, 4.0, 4.0), (6.0, 6.0, 5.0)], 0),
        ([(5.0,), (5.0,), (6.0,)], 0),
        ([(float("inf"),), (5.0,), (float("inf"),)], 1),
    ],
    ids=["least", "of any epoch", "the earlier of two", "diverged"],
)
def test_the_best_candidate(build: Build, errors: list[tuple[float, ...]], chosen: int) -> None:
    config = build(budget=3)
    cells = config.tuning_cells()[config.settings[0], "awc"]
    results = {cell.name: result(cell.config, *mm) for cell, mm in zip(cells, errors, strict=True)}
    assert best_candidate(cells, results) == cells[chosen].config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": (METHODS["awc"].Config(),)}, "lack 'plain'"),
        ({"methods": (Plain.Config(), Plain.Config())}, "methods must be different"),
        ({"seeds": ()}, "seeds must be different and at least one"),
        ({"seeds": (1, 1)}, "seeds must be different"),
        ({"seeds": (0, 1000)}, "tuning_seed 1000 is one of the seeds"),
        ({"fusions": ()}, "fusions must be different and at least one"),
        ({"splits": (("P1", "S1"), ("P1", "S1"))}, "splits must be different"),
        ({"budget": 0}, "budget must be at least 1, got 0"),
        ({"workers": 0}, "workers must be at least 1, got 0"),
    ],
)
def test_bad_comparisons_are_refused(build: Build, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**changes)


def test_one_sensor_leaves_nothing_to_balance(build: Build, small_run: TrainConfig) -> None:
    batch = replace(small_run.data.batch, modalities=("rgb",))
    base = replace(
        small_run,
        data=replace(small_run.data, batch=batch),
        model=replace(small_run.model, modalities=("rgb",)),
    )
    with pytest.raises(ValueError, match="nothing to balance; take two or more"):
        build(base=base)


def test_names_of_settings() -> None:
    setting = Setting(fusion="mlp", protocol="P1", split="S3")
    assert (setting.name, setting.slug) == ("mlp P1-S3", "mlp-P1-S3")
