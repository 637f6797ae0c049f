"""A comparison's runs: equal budget for all, tuned apart from what is tested, in a useful order."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from equipose.balancing.methods.plain import Plain
from equipose.balancing.objectives.align import Align
from equipose.balancing.registry import METHODS, method_name
from equipose.balancing.search_spaces import search_space
from equipose.orchestrator.comparison.checks import check_runs
from equipose.orchestrator.comparison.config import LR_FACTORS, ComparisonConfig, Setting, best_candidate
from equipose.orchestrator.comparison.results import setting_of
from equipose.orchestrator.comparison.starts.alignment import with_alignments
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
    tuning = config.tuning_runs()
    assert set(tuning) == {(setting, name) for setting in config.settings for name in NAMES}
    assert {len(specs) for specs in tuning.values()} == {4}
    for (setting, name), specs in tuning.items():
        for spec in specs:
            assert method_name(spec.config.method) == name
            assert spec.config.model.fusion == setting.fusion
            assert (spec.config.data.protocol, spec.config.data.split) == (setting.protocol, setting.split)
            assert (spec.stage, spec.evaluate) == ("tuning", False)
            assert spec.config.seed == config.tuning_seed not in config.seeds
    names = [spec.name for specs in tuning.values() for spec in specs]
    assert len(set(names)) == len(names)


def test_the_defaults_come_first_and_the_rest_at_the_same_places_for_all(build: Build) -> None:
    config = build(budget=6)
    (setting,) = config.settings
    lrs, own = [], []
    for method in config.methods:
        first, *others = config.candidates(setting, method)
        assert first == replace(config.base, method=method, seed=config.tuning_seed)
        factors = [other.optimizer.lr / config.base.optimizer.lr for other in others]
        assert all(LR_FACTORS[0] <= factor <= LR_FACTORS[1] for factor in factors)
        assert len({round(factor, 9) for factor in [1.0, *factors]}) == 6, "no learning rate is tried twice"
        lrs.append([round(factor, 9) for factor in factors])
        for field, scale in search_space(method).items():
            assert getattr(others[0].method, field) == getattr(method, field), "the learning rate alone"
            values = [getattr(other.method, field) for other in others[1:]]
            own.append([round(math.log(v / scale.low) / math.log(scale.high / scale.low), 9) for v in values])
        settings = [replace(other, optimizer=config.base.optimizer, method=method) for other in others]
        assert settings == [first] * 5, "nothing else is varied"
    assert lrs == [lrs[0]] * 3
    assert own == [own[0]] * 2, "awc and ogm_ge have a dial each"


def test_without_budget_the_defaults_are_taken(build: Build) -> None:
    config = build(budget=1)
    (setting,) = config.settings
    assert config.tuning_runs() == {}
    assert config.candidates(setting, Plain.Config()) == [
        replace(config.base, method=Plain.Config(), seed=config.tuning_seed)
    ]
    assert config.defaults()[setting, "plain"] == replace(config.base, method=Plain.Config())


def test_seeds_vary_slowest(build: Build) -> None:
    config = build(fusions=("concat", "mlp"), seeds=(0, 1))
    specs = config.final_runs(config.defaults())
    wanted = [
        f"{name} s{seed} {fusion} P1-S1" for seed in (0, 1) for fusion in ("concat", "mlp") for name in NAMES
    ]
    assert [spec.name for spec in specs] == wanted
    assert all(spec.evaluate and spec.stage == "test" for spec in specs)
    assert [spec.config.seed for spec in specs] == [0] * 6 + [1] * 6


def test_what_was_chosen_is_trained(build: Build) -> None:
    config = build(select="last", workers=2)
    chosen = config.defaults()
    (setting,) = config.settings
    fast = replace(chosen[setting, "awc"], optimizer=replace(config.base.optimizer, lr=0.5))
    specs = config.final_runs({**chosen, (setting, "awc"): fast})
    assert [spec.name for spec in specs] == [f"{name} s{seed}" for seed in (0, 1, 2) for name in NAMES]
    assert [spec.config for spec in specs if "awc" in spec.name] == [
        replace(fast, seed=seed) for seed in (0, 1, 2)
    ]
    assert {(spec.select, spec.workers) for spec in specs} == {("last", 2)}


def test_every_sensor_alone_once_per_split(build: Build) -> None:
    config = build(fusions=("mlp", "concat"), splits=(("P1", "S1"), ("P1", "S3")), seeds=(0, 7))
    specs = config.alone_runs()
    modalities = config.base.model.modalities
    assert len(specs) == len({spec.name for spec in specs}) == 2 * 2 * len(modalities)
    for spec in specs:
        (only,) = spec.config.model.modalities
        assert spec.config.data.batch.modalities == (only,)
        assert spec.name.startswith(f"{only} alone s{spec.config.seed}")
        assert isinstance(spec.config.method, Plain.Config)
        assert spec.config.model.fusion == "mlp"
        assert spec.evaluate
    assert build(alone=False).alone_runs() == []


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
    specs = config.tuning_runs()[config.settings[0], "awc"]
    results = {spec.name: result(spec.config, *mm) for spec, mm in zip(specs, errors, strict=True)}
    assert best_candidate(specs, results) == specs[chosen].config


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


def test_an_optimiser_is_a_setting_of_its_own(build: Build, small_run: TrainConfig) -> None:
    config, base = build(optimizers=("adam", "sgd")), small_run
    adam, sgd = config.settings
    assert (adam.name, sgd.name) == ("concat P1-S1", "concat P1-S1 sgd")
    assert config.in_setting(adam) == replace(base, data=config.in_setting(adam).data)
    found = config.in_setting(sgd).optimizer
    assert (found.name, found.lr) == ("sgd", 0.05)
    assert (found.gamma, found.step_epochs) == (base.optimizer.gamma, base.optimizer.step_epochs)
    assert setting_of(config.spec("plain s0", sgd, config.in_setting(sgd))) == sgd
    with pytest.raises(ValueError, match="optimizers must be different"):
        replace(config, optimizers=("sgd", "sgd"))


def test_aligned_encoders_are_a_setting_whose_runs_start_at_an_alignment(build: Build) -> None:
    config = build(starts=("new", "aligned"), seeds=(0, 1))
    new, aligned = config.settings
    assert (new.name, aligned.name) == ("concat P1-S1", "concat P1-S1 aligned")
    assert (new.words, aligned.words) == ("concat fusion", "concat fusion, encoders aligned first")
    specs = config.final_runs(config.defaults())
    assert {spec.init_from is None for spec in specs if setting_of(spec) == new} == {True}
    starts = {spec.config.seed: spec.init_from for spec in specs if setting_of(spec) == aligned}
    assert sorted(starts) == [0, 1]
    for seed, before in starts.items():
        assert before is not None
        run = before.config
        assert (run.seed, run.model.modalities) == (seed, config.base.model.modalities)
        assert run.objective == Align.Config(higher=None, tau=1 / 14, tau_low=1 / 100)
        assert run.data.batch.origin == "pelvis"
    every = with_alignments(specs)
    assert [spec.stage for spec in every[:3]] == ["alignment", "alignment", "test"]
    assert len({spec.name for spec in every}) == len(every) == len(specs) + 2
    assert all(setting_of(spec).start == "new" for spec in config.alone_runs())


def test_longer_runs_start_at_a_longer_alignment(build: Build) -> None:
    config = build(starts=("aligned",), seeds=(0,))
    runs = [*config.final_runs(config.defaults()), *check_runs(config, config.defaults())]
    names = {spec.init_from.name for spec in runs if spec.init_from}
    assert len(names) == len({spec.init_from.config.epochs for spec in runs if spec.init_from})
