"""`--sensors` sets batches and models of every verb alike, in canonical order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from equipose.experiments.presets.comparison import ComparisonOptions, comparison_config
from equipose.experiments.presets.imbalance import ControlledOptions, imbalance_config
from equipose.experiments.presets.paper import TablesOptions, paper_config
from equipose.experiments.presets.sweep import SweepOptions, sweep_config
from equipose.experiments.presets.typed.sensors import chosen_sensors, known_sensors
from equipose.models.sensors import DEFAULT_SENSORS
from equipose.orchestrator.imbalance.config import Level
from equipose.orchestrator.training.config import TrainConfig

ALL = DEFAULT_SENSORS


def sweep(*sensors: str) -> TrainConfig:
    options = SweepOptions(data="simulated", preset="smoke", protocol="P1", split="S1", sensors=sensors)
    return sweep_config("s", options, "").base


def comparison_options(*sensors: str, **more: Any) -> ComparisonOptions:
    return ComparisonOptions(
        data="simulated", preset="smoke", methods=("plain",), seeds=1, fusions=("concat",),
        protocols=("P1",), split="S1", budget=1, epochs=1, sensors=sensors, **more,
    )  # fmt: skip


def compare(*sensors: str) -> TrainConfig:
    return comparison_config("c", comparison_options(*sensors), "").base


def tables_options(*sensors: str, tables: tuple[str, ...] = ("modalities",)) -> TablesOptions:
    return TablesOptions(data="simulated", preset="smoke", sensors=sensors, tables=tables)


def tables(*sensors: str) -> TrainConfig:
    return paper_config("t", tables_options(*sensors), "").base


def controlled(*sensors: str) -> TrainConfig:
    options = ControlledOptions(preset="smoke", sensors=sensors)
    return imbalance_config(options, (Level(name="a", store=""),)).base


VERBS = [sweep, compare, tables, controlled]


@pytest.mark.parametrize("verb", VERBS)
def test_batches_and_models_get_the_sensors_in_canonical_order(verb: Any) -> None:
    config = verb(ALL[2], ALL[0])
    assert config.data.batch.modalities == config.model.modalities == (ALL[0], ALL[2])


@pytest.mark.parametrize("verb", [sweep, compare, tables])
def test_without_the_option_the_default_ones_are_used(verb: Any) -> None:
    config = verb()
    assert config.data.batch.modalities == config.model.modalities == ALL


@pytest.mark.parametrize("verb", VERBS)
def test_unknown_and_repeated_names_are_refused_with_the_known_ones(verb: Any) -> None:
    with pytest.raises(
        ValueError, match=rf"--sensors sonar: unknown; use some of {' '.join(known_sensors())}"
    ):
        verb("rgb", "sonar")
    with pytest.raises(ValueError, match="--sensors rgb rgb: name each sensor once"):
        verb("rgb", "rgb")


def test_one_sensor_is_enough_to_train_but_not_to_balance() -> None:
    assert chosen_sensors(["wifi"], ALL) == ("wifi",)
    for verb in (sweep, compare):
        with pytest.raises(ValueError, match="nothing to balance; take two or more"):
            verb("wifi")


def test_references_are_of_the_chosen_sensors_alone() -> None:
    config = comparison_config("c", comparison_options("wifi", "rgb"), "")
    assert [spec.config.model.modalities for spec in config.alone_runs()] == [("rgb",), ("wifi",)]


def test_the_table_of_subsets_follows_the_sensors_and_the_others_refuse() -> None:
    plan = paper_config("t", tables_options("lidar", "rgb"), "").plan()
    assert [position.row for position in plan] == ["R", "L", "RL"]
    for table in ("main", "cost", "alpha", "window", "profit"):
        with pytest.raises(ValueError, match=rf"\['{table}'\] stand beside .*use --tables modalities"):
            paper_config("t", tables_options("lidar", "rgb", tables=(table, "modalities")), "")
    every = tables_options(*ALL, tables=("main",))
    assert paper_config("t", every, "").base.model.modalities == ALL


def test_the_controlled_experiment_needs_the_sensor_that_it_weakens() -> None:
    with pytest.raises(ValueError, match="sensors are rgb, lidar; name mmwave, the weakened one"):
        controlled("rgb", "lidar")


def test_other_sensors_are_another_controlled_experiment() -> None:
    def name(*sensors: str) -> str:
        options = ControlledOptions(preset="smoke", sensors=sensors)
        return imbalance_config(options, (Level(name="a", store=""),)).name

    assert name() == name("rgb", "mmwave", "lidar") != name("rgb", "mmwave")


def test_the_option_is_kept_for_resuming() -> None:
    options = comparison_options("lidar", "rgb")
    assert ComparisonOptions.from_json(options.to_json()) == options
    assert "--sensors lidar rgb" in tables_options("lidar", "rgb").command(Path("out"))
