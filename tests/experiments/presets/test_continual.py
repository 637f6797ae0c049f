"""Strategies by name, and options that could not work."""

from __future__ import annotations

from dataclasses import replace

import pytest

from equipose.balancing.registry import method_label
from equipose.balancing.schedules import share_of
from equipose.experiments.commands.continual import check, default_tasks
from equipose.experiments.presets.continual import CONTINUALS, ContinualOptions, strategies_of, strategy_of
from equipose.experiments.presets.sources import DataSource

ROOMS = ("E01", "E02", "E03", "E04")


def options(**changes: object) -> ContinualOptions:
    whole = ContinualOptions(
        data="simulated",
        preset="quick",
        strategies=("finetune", "ewc"),
        by="environment",
        tasks=ROOMS,
        protocol="P1",
        seeds=1,
        orders=1,
        epochs=4,
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "label", "noisy"),
    [
        ("finetune", "plain", False),
        ("noisy replay", "replay", True),
        ("nis+awc+ewc", "nis+awc+ewc", False),
        ("noisy random+replay", "nis+replay", True),
    ],
)
def test_a_strategy_is_what_its_name_says(name: str, label: str, noisy: bool) -> None:
    strategy = strategy_of(name, 15)
    assert (strategy.name, method_label(strategy.config), strategy.noisy) == (name, label, noisy)


def test_references_are_shapes_and_finetune_is_always_there() -> None:
    found = strategies_of(("joint", "ewc"), 15)
    assert [(one.name, one.shape) for one in found] == [
        ("finetune", "stream"), ("joint", "joint"), ("ewc", "stream"),
    ]  # fmt: skip


def test_schedules_are_shares_of_a_task() -> None:
    strategy = strategy_of("nis+ewc", 15)
    separation = strategy.config.parts[0]  # type: ignore[attr-defined]
    assert separation.warmup == share_of(20, 15) == 6


@pytest.mark.parametrize("preset", list(CONTINUALS))
def test_every_preset_has_its_references_and_controls(preset: str) -> None:
    sizes = CONTINUALS[preset]  # type: ignore[index]
    names = {strategy.name for strategy in strategies_of(sizes.strategies, sizes.sizes.epochs)}
    assert {"finetune", "joint", "replay", "ewc"} <= names
    if preset != "smoke":
        assert {"cumulative", "alone", "noisy replay", "noisy nis+replay", "noisy random+replay"} <= names
        assert len(names) >= 10


def test_jobs_that_work_are_accepted() -> None:
    assert check(options()).epochs == 4
    assert check(options(by="action", tasks=("A02", "A04"))).model.norm == "layer"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strategies": ("finetune", "emc")}, "unknown strategy 'emc'"),
        ({"strategies": ("finetune", "ewc+awc")}, "wrong order"),
        ({"tasks": ("E01", "E09")}, r"tasks \['E09'\] are not in the simulated data"),
        ({"tasks": ("E01",)}, "a stream needs two tasks or more"),
        ({"by": "subject", "tasks": ("S01", "S02")}, "takes 50 frames"),
    ],
)
def test_jobs_that_could_not_work_are_refused_before_they_start(
    changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        check(options(**changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"by": "room"}, "tasks differ by 'room'"),
        ({"store": "/data/store", "strategies": ("noisy replay",)}, "only simulated data without --store"),
        ({"by": "subject", "strategies": ("noisy replay",)}, "not with --by subject"),
        ({"orders": 0}, "orders must be at least 1"),
    ],
)
def test_options_that_contradict_each_other_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        options(**changes)


def test_default_tasks_are_all_that_the_data_has() -> None:
    quick = CONTINUALS["quick"].sizes.simulated
    simulated, mmfi = DataSource(kind="simulated"), DataSource(kind="mmfi")
    assert default_tasks(simulated, "environment", "P1", quick) == ROOMS
    assert default_tasks(simulated, "action", "P1", quick) == ("A02", "A04", "A13", "A20")
    assert len(default_tasks(mmfi, "action", "P1", quick)) == 14
    assert len(default_tasks(mmfi, "subject", "P1", quick)) == 40
    with pytest.raises(ValueError, match="name the tasks of mars data by action"):
        default_tasks(DataSource(kind="mars"), "action", "MARS", quick)


def test_settings_in_a_name_are_those_of_the_method() -> None:
    strategy = strategy_of("noisy nis:warmup=3,act=nothing+ewc:strength=1e+03", 15)
    separation, ewc = strategy.config.parts  # type: ignore[attr-defined]
    assert (separation.warmup, separation.act, ewc.strength) == (3, "nothing", 1000.0)
    assert separation.every == share_of(20, 15), "what is not set keeps its share of a task"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ewc:beta=1", "ewc:beta=1: no setting 'beta'"),
        ("replay:rows=many", "rows is 'many'; give a value of int"),
        ("replay:rows=0", "rows"),
        ("replay:", "must read field=value"),
    ],
)
def test_settings_that_do_not_fit_are_refused(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        strategy_of(name, 15)
