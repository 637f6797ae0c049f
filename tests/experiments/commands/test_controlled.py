"""The experiment on imbalance: every claim can hold and fail, its levels differ in one sensor only, and a
whole small run ends in files whose numbers are those of its cells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

from equipose.balancing.methods.awc.awc import AWC
from equipose.balancing.methods.subsets.modality_dropout import ModalityDropout
from equipose.experiments.commands.controlled import print_outcome
from equipose.experiments.presets.imbalance import (
    IMBALANCE,
    OF_THE_WEAK,
    WEAK_SENSORS,
    ControlledOptions,
    imbalance_config,
    level_stores,
)
from equipose.orchestrator.grid.run_one import RunsFolder, evaluation_of, work_on
from equipose.orchestrator.imbalance.config import ImbalanceConfig, Level
from equipose.orchestrator.imbalance.job import write_outcome
from equipose.orchestrator.ray_train.run import Resources
from equipose.pipelines.batches.source import BatchConfig, BatchSource
from equipose.pipelines.figures.imbalance import imbalance_figure
from equipose.pipelines.statistics.claims import (
    STATEMENTS,
    Claim,
    error_claims,
    seed_interval,
    spread_claims,
    thirds,
)
from equipose.pipelines.store import open_store
from equipose.pipelines.tables.claim_tables import claims_frame, claims_table
from equipose.pipelines.tables.table import Caption

WEAK = "mmwave"
SENSORS = WEAK_SENSORS["mmwave"].sensors


def measures(**changed: float) -> pl.DataFrame:
    """Two levels, one method, four seeds with a little noise; `changed` are means at the second level."""
    normal = {
        "share_first": 0.30,
        "share_last": 0.33,
        "score_first": 8.0,
        "score_last": 9.0,
        "spread_first_mm": 40.0,
        "spread_last_mm": 80.0,
        "test_spread_mm": 80.0,
        "truth_spread_mm": 100.0,
        "alone_spread_mm": 90.0,
    }
    rng = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for level, means in (("control", normal), ("low", normal | changed)):
        for seed in range(4):
            jitter = {name: value * (1 + 0.01 * rng.normal()) for name, value in means.items()}
            rows.append({"level": level, "method": "plain", "seed": seed, **jitter})
    return pl.DataFrame(rows)


def verdicts(table: pl.DataFrame, level: str = "low") -> dict[str, str]:
    return {claim.statement.name: claim.decision for claim in spread_claims(table) if claim.level == level}


HOLDING: dict[str, dict[str, float]] = {
    "share falls": {"share_last": 0.10},
    "score falls": {"score_last": 4.0},
    "spread falls": {"spread_last_mm": 10.0},
    "collapse": {"test_spread_mm": 5.0},
    "spread lost": {"test_spread_mm": 30.0},
    "worse than control": {"test_spread_mm": 60.0},
}


@pytest.mark.parametrize(("name", "changed"), HOLDING.items(), ids=list(HOLDING))
def test_a_claim_holds_on_data_that_shows_it_and_not_on_data_that_does_not(
    name: str, changed: dict[str, float]
) -> None:
    assert verdicts(measures(**changed))[name] == "holds"
    opposite = measures(test_spread_mm=90.0)
    assert verdicts(opposite)[name] == "does not hold"


@pytest.mark.parametrize("name", HOLDING)
def test_seeds_that_disagree_decide_nothing(name: str) -> None:
    agree = measures(**HOLDING[name])
    healthy = measures(test_spread_mm=90.0)
    mixed = pl.concat([agree.filter(pl.col("seed") < 2), healthy.filter(pl.col("seed") >= 2)])
    assert verdicts(mixed.sort("level", "seed"))[name] == "undecided"


def test_the_control_is_not_compared_with_itself() -> None:
    assert "worse than control" not in verdicts(measures(), level="control")


def test_one_seed_decides_nothing() -> None:
    one = measures(test_spread_mm=1.0).filter(pl.col("seed") == 0)
    assert set(verdicts(one).values()) == {"undecided"}


def test_measures_without_a_column_are_named() -> None:
    with pytest.raises(ValueError, match="alone_spread_mm"):
        spread_claims(measures().drop("alone_spread_mm"))


def test_values_are_means_over_seeds_with_students_interval() -> None:
    values = [1.0, 2.0, 4.0]
    reference = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    np.testing.assert_allclose(seed_interval(values), (7 / 3, *reference))


def test_thirds_of_a_curve() -> None:
    assert thirds([1, 2, 3, 4, 5, 6, 7]) == (1.5, 6.5)
    assert thirds([1, 3]) == (1.0, 3.0)
    with pytest.raises(ValueError, match="at least two"):
        thirds([1.0])


@pytest.mark.parametrize("name", ["adding hurts", "hurts inside", "behind alone"])
@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (1.0, 3.0, "holds"),
        (-3.0, -1.0, "does not hold"),
        (-1.0, 2.0, "undecided"),
        (np.nan, np.nan, "undecided"),
    ],
)
def test_claims_about_errors(name: str, low: float, high: float, verdict: str) -> None:
    row = {"method": "awc", "difference_mm": (low + high) / 2, "low_mm": low, "high_mm": high, "seeds": 3}
    (claim,) = error_claims(name, "low", pl.DataFrame([row]))
    assert (claim.method, claim.level, claim.decision) == ("awc", "low", verdict)


def test_an_unknown_claim_is_refused() -> None:
    with pytest.raises(ValueError, match="magic"):
        error_claims("magic", "low", pl.DataFrame())


def test_the_table_shows_number_interval_and_verdict() -> None:
    claim = Claim(
        statement=STATEMENTS["adding hurts"],
        level="low",
        method="plain",
        value=2.0,
        low=1.0,
        high=3.0,
        seeds=3,
    )
    caption = Caption(
        title="t", provenance="simulated data", protocol="P1", split="S1", frames=4, fingerprint="f"
    )
    table = claims_table([claim], "low", caption, units="subjects")
    assert [cell.shown for cell in table.rows[0]] == ["adding hurts", "+2.0 [+1.0, +3.0]"]
    assert table.rows[0][1].mark == "holds"
    assert claims_frame([claim]).row(0, named=True)["verdict"] == "holds"


def test_a_figure_needs_levels() -> None:
    with pytest.raises(ValueError, match="levels"):
        imbalance_figure([], WEAK, "simulated data")


@pytest.mark.parametrize(
    ("options", "message"),
    [({"seeds": 0}, "seeds"), ({"epochs": 0}, "epochs"), ({"methods": ("magic",)}, "magic")],
)
def test_bad_options_are_refused_before_anything_runs(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        imbalance_config(ControlledOptions(preset="smoke", **options), (Level(name="a", store=""),))


def test_other_options_are_another_experiment() -> None:
    def name(**options: Any) -> str:
        chosen = ControlledOptions(preset="smoke", **options)
        return imbalance_config(chosen, (Level(name="a", store=""),)).name

    assert len({name(seeds=seeds) for seeds in (1, 2, 3)}) == 3
    assert name(seeds=2) == name() == "controlled-mmwave-smoke-1d9adddf"


@pytest.mark.parametrize("weak", WEAK_SENSORS)
def test_the_dropout_of_the_weak_sensor_hides_no_other(weak: Any) -> None:
    options = ControlledOptions(preset="quick", weak=weak)
    config = imbalance_config(options, (Level(name="a", store=""),))
    assert config.modalities == WEAK_SENSORS[weak].sensors
    dropout = config.methods["weak_dropout"]
    assert isinstance(dropout, ModalityDropout.Config)
    rates = {name: dropout.rates.get(name, dropout.rate) for name in config.modalities}
    assert {name for name, rate in rates.items() if rate} == {weak}
    braked = config.methods["weak_awc"]
    assert isinstance(braked, AWC.Config)
    assert braked.strong_and_weak == (0.0, 1.0)
    assert braked.active == range(1, 1 + config.base.epochs), "to the end of the run"
    named = {run.method for run in config.joint_runs(config.levels[0])}
    assert named == {*config.methods} >= {"modality_dropout", "awc", *OF_THE_WEAK}, (
        "two settings of one method"
    )


def test_a_sensor_without_levels_is_refused() -> None:
    with pytest.raises(ValueError, match="weak is 'lidar'; use mmwave or wifi"):
        imbalance_config(
            ControlledOptions(preset="smoke", weak="lidar"),  # type: ignore[arg-type]
            (Level(name="a", store=""),),
        )


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> ImbalanceConfig:
    """The smoke preset with one method, on its prepared levels."""
    levels = level_stores(IMBALANCE["smoke"], "mmwave", tmp_path_factory.mktemp("levels"))
    options = ControlledOptions(preset="smoke", methods=("plain",), epochs=2)
    return imbalance_config(options, levels)


def test_levels_differ_in_the_weak_sensor_only(config: ImbalanceConfig) -> None:
    strong, weak = (
        BatchSource(open_store(level.store), np.arange(40), BatchConfig(modalities=SENSORS, batch_size=40))
        for level in config.levels
    )
    first, second = (next(iter(source.in_order())) for source in (strong, weak))
    assert first.pose.equal(second.pose)
    for name in config.others:
        assert first.inputs[name].equal(second.inputs[name])
    assert not first.inputs[WEAK].equal(second.inputs[WEAK])


def test_a_whole_run_ends_in_the_numbers_of_its_cells(
    config: ImbalanceConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = RunsFolder(root=tmp_path / "cells", resources=Resources())
    cells = {cell.name: cell for cell in config.runs()}
    results = {name: work_on(cell, place) for name, cell in cells.items()}
    outcome = write_outcome(config, results, place, tmp_path / "job")
    frame = pl.read_csv(tmp_path / "job" / "claims.csv")
    assert set(frame["claim"]) == set(STATEMENTS)
    level = config.levels[1]
    differences = [
        evaluation_of(cells[f"plain {level.slug} s{seed}"], place).mpjpe_mm
        - evaluation_of(cells[f"without {WEAK} s{seed}"], place).mpjpe_mm
        for seed in config.seeds
    ]
    added = frame.filter((pl.col("claim") == "adding hurts") & (pl.col("level") == level.name))
    np.testing.assert_allclose(added["value"].item(), np.mean(differences), rtol=1e-6)
    assert (tmp_path / "job" / "imbalance.png").stat().st_size > 10_000
    (table, *_) = outcome.tables
    assert {"Convergence", "Headroom, all sensors"} <= {note.partition(":")[0] for note in table.notes}
    print_outcome(outcome)
    assert "all data is simulated" in capsys.readouterr().out
