"""Subset tables on hand-sized numbers: means, steps that hurt, the reference trained alone, figure inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from equipose.models.skeleton import JOINTS
from equipose.pipelines import figures
from equipose.pipelines.statistics.comparison import compare
from equipose.pipelines.statistics.subset_errors import (
    bar_values,
    clustered,
    in_size_order,
    joint_values,
    lattice_values,
    members,
    modalities_of,
    recording_sums,
    subset_scores,
)
from equipose.pipelines.statistics.subset_steps import alone_effects, step_effects
from equipose.pipelines.tables.formats import to_csv, to_latex, to_markdown
from equipose.pipelines.tables.subset_tables import (
    alone_table,
    group_table,
    joint_table,
    spread_table,
    step_table,
    subset_table,
)
from equipose.pipelines.tables.table import Caption, Table

CAPTION = Caption(
    title="Subsets", provenance="simulated data", protocol="P1", split="S1", frames=4, fingerprint="f"
)
LEVELS = {"R": 60.0, "W": 100.0, "RW": 70.0}
"""WiFi hurts RGB by 10 mm; RGB helps WiFi by 30 mm."""


def frames_of(
    errors: Mapping[str, Mapping[str, float]],
    *,
    seeds: int = 5,
    subjects: int = 8,
    noise: float = 0.5,
    actions: tuple[str, ...] = ("A01", "A02"),
) -> pl.DataFrame:
    """method -> subset -> mm, two frames per recording; subjects and seeds shift all alike, noise each."""
    rng = np.random.default_rng(5)
    shift = 3 * rng.normal(size=(seeds, 1)) + 10 * rng.normal(size=subjects)
    rows = [
        {
            "method": method,
            "seed": seed,
            "subset": subset,
            "environment": "E01" if s < subjects // 2 else "E02",
            "subject": f"S{s:02d}",
            "action": action,
            "mpjpe_mm": level + shift[seed, s] + noise * rng.normal(),
            "pa_mpjpe_mm": level / 2,
        }
        for method, levels in errors.items()
        for seed in range(seeds)
        for subset, level in levels.items()
        for s in range(subjects)
        for action in actions
        for _ in range(2)
    ]
    return pl.DataFrame(rows)


def exact(**errors: float) -> pl.DataFrame:
    """One run of two recordings of 1 and 3 frames: subset -> mm in the first, 10 mm more in the second."""
    parts = [("S01", "A01", 0.0), *[("S02", "A02", 10.0)] * 3]
    return pl.DataFrame(
        [
            {
                "subset": subset,
                "environment": "E01",
                "subject": subject,
                "action": action,
                "mpjpe_mm": mm + more,
                "pa_mpjpe_mm": mm / 10,
            }
            for subset, mm in errors.items()
            for subject, action, more in parts
        ]
    )


def seeds_of(*runs: pl.DataFrame, method: str = "plain") -> pl.DataFrame:
    return pl.concat([run.with_columns(method=pl.lit(method), seed=pl.lit(i)) for i, run in enumerate(runs)])


def shown(table: Table) -> list[list[str]]:
    return [[cell.shown for cell in row] for row in table.rows]


def test_names_of_subsets() -> None:
    assert members("RMW") == ("rgb", "mmwave", "wifi")
    assert members("left+right") == ("left", "right")
    assert members("toy") == ("toy",)
    assert in_size_order(["RW", "W", "MR", "R", "RLMW"]) == ["R", "W", "RW", "MR", "RLMW"]
    assert modalities_of(["M", "R", "MR"]) == ("mmwave", "rgb")
    with pytest.raises(ValueError, match=r"missing \['L'\]"):
        modalities_of(["R", "RL"])


def test_errors_weigh_frames_alike_and_spread_over_seeds() -> None:
    frames = seeds_of(exact(R=50.0, W=80.0, RW=40.0), exact(R=54.0, W=80.0, RW=40.0))
    scores = subset_scores(frames)
    first = scores.row(0, named=True)
    assert (first["subset"], first["mean"], first["n"]) == ("R", 59.5, 2)  # (50 + 3 x 60) / 4 = 57.5, 61.5
    assert first["std"] == pytest.approx(np.sqrt(8))
    table = subset_table(frames, CAPTION)
    assert table.header == ("method", "R", "W", "RW")
    assert shown(table) == [["plain", "59.5 ± 2.8 (2)", "87.5 ± 0.0 (2)", "47.5 ± 0.0 (2)"]]
    pa = subset_table(frames, CAPTION, metric="pa_mpjpe_mm")
    assert shown(pa)[0][2] == "8.0 ± 0.0 (2)"
    assert "PA-MPJPE" in pa.caption.text


def test_a_single_run_needs_no_names_and_sums_stand_for_frames() -> None:
    frames = exact(R=50.0, W=80.0, RW=40.0)
    assert shown(subset_table(frames, CAPTION)) == [["model", "57.5 (1)", "87.5 (1)", "47.5 (1)"]]
    sums = recording_sums(frames)
    assert len(sums) == 6
    assert shown(subset_table(sums, CAPTION)) == shown(subset_table(frames, CAPTION))


def test_per_action_environment_and_joint() -> None:
    frames = pl.concat([seeds_of(exact(R=50.0), method="plain"), seeds_of(exact(R=45.0), method="AWC")])
    table = group_table(frames, CAPTION, by="action")
    assert table.header == ("method", "A01", "A02")
    assert shown(table) == [["plain", "50.0 (1)", "60.0 (1)"], ["AWC", "45.0 (1)", "55.0 (1)"]]
    assert [row[1].rank for row in table.rows] == ["second", "best"]
    assert shown(group_table(frames, CAPTION, by="environment"))[1] == ["AWC", "52.5 (1)"]
    joints = pl.DataFrame(
        {
            "subset": ["R"] * 17 + ["RW"] * 34,
            "joint": [*JOINTS] * 3,
            "subject": ["S01"] * 34 + ["S02"] * 17,
            "error_sum_mm": [1.0] * 17 + [10.0 * j for j in range(17)] + [90.0] * 17,
            "count": [1] * 34 + [3] * 17,
        }
    )
    by_joint = joint_table(joints, CAPTION)
    assert by_joint.header[:3] == ("method", "pelvis", "right hip")
    assert shown(by_joint)[0][1:4] == ["22.5 (1)", "25.0 (1)", "27.5 (1)"]
    assert_allclose(joint_values(joints)["model"], [(np.arange(17) * 10 + 90) / 4])
    assert_allclose(joint_values(joints, "R")["model"], np.ones((1, 17)))


def test_a_hurting_sensor_is_flagged_and_a_neutral_one_is_not() -> None:
    """WiFi adds 10 mm to RGB, LiDAR nothing to RGB; both are helped by RGB."""
    levels = {"R": 60.0, "L": 90.0, "W": 100.0, "RL": 60.0, "RW": 70.0, "LW": 90.0, "RLW": 70.0}
    effects = step_effects(frames_of({"plain": levels}))
    assert len(effects) == 9
    found = {(row["without"], row["added"]): row for row in effects.iter_rows(named=True)}
    assert {key for key, row in found.items() if row["hurts"]} == {("R", "wifi"), ("RL", "wifi")}
    neutral = {("R", "lidar"), ("RW", "lidar"), ("L", "wifi")}
    assert {key for key, row in found.items() if row["helps"]} == set(found) - neutral - {
        ("R", "wifi"),
        ("RL", "wifi"),
    }
    wifi = found["R", "wifi"]
    assert wifi["subset"] == "RW"
    assert wifi["difference_mm"] == pytest.approx(wifi["mean_mm"] - wifi["without_mm"])
    assert wifi["difference_mm"] == pytest.approx(10, abs=0.3)
    assert 9 < wifi["low_mm"] < wifi["difference_mm"] < wifi["high_mm"] < 11
    assert found["R", "lidar"]["low_mm"] < 0 < found["R", "lidar"]["high_mm"]
    assert any(found[key]["worse"] for key in neutral), "chance alone must be put to the test"
    assert not effects["underpowered"].any()


def test_a_step_is_the_comparison_of_two_methods() -> None:
    """The difference, interval and p are those of `compare` with subsets in the place of methods."""
    frames = frames_of({"plain": LEVELS}, noise=5.0)
    step = step_effects(frames).filter(pl.col("added") == "wifi").row(0, named=True)
    errors = clustered(frames).filter(pl.col("subset") != "W").with_columns(method="subset").drop("subset")
    same = compare(errors.with_columns(method=pl.col("method").replace("R", "plain"))).row(0, named=True)
    for name in ("difference_mm", "low_mm", "high_mm", "p", "seeds", "clusters"):
        assert step[name] == pytest.approx(same[name]), name


def test_one_seed_is_judged_over_its_clusters() -> None:
    frames = frames_of({"plain": LEVELS}, seeds=1, noise=20.0)
    step = step_effects(frames).filter(pl.col("added") == "wifi").row(0, named=True)
    mean = pl.col("mpjpe_mm").mean()
    wide = frames.pivot("subset", index="subject", values="mpjpe_mm", aggregate_function="mean")
    expected = stats.ttest_rel(wide["RW"].to_numpy(), wide["R"].to_numpy())
    interval = expected.confidence_interval()
    assert step["p"] == pytest.approx(expected.pvalue)
    assert_allclose((step["low_mm"], step["high_mm"]), (interval.low, interval.high))
    total = frames.group_by("subset", maintain_order=True).agg(mean)["mpjpe_mm"]
    assert step["difference_mm"] == pytest.approx(total[2] - total[0])
    assert step["underpowered"]
    by_recording = step_effects(frames, cluster="recording")
    assert by_recording["clusters"].to_list() == [16, 16]


def test_equal_errors_are_no_effect_and_one_cluster_knows_nothing() -> None:
    same = exact(R=50.0, W=50.0, RW=50.0)
    effects = step_effects(same)
    assert effects["p"].to_list() == [1.0, 1.0]
    assert effects["worse"].to_list() == [False, False]
    assert_array_equal(effects.select("difference_mm", "low_mm", "high_mm").to_numpy(), np.zeros((2, 3)))
    one = step_effects(exact(**LEVELS).filter(pl.col("subject") == "S01"))
    assert one["worse"].to_list() == [False, True]
    assert one["hurts"].to_list() == [False, False]
    assert one["p"].is_nan().all()


def test_steps_as_a_table() -> None:
    frames = frames_of({"plain": LEVELS, "AWC": {**LEVELS, "RW": 55.0}})
    table = step_table(step_effects(frames), CAPTION)
    assert table.header == ("sensors + added", "plain", "plain: verdict", "AWC", "AWC: verdict")
    assert [[row[0].text, row[2].text, row[4].text] for row in table.rows] == [
        ["W + R", "helps", "helps"],
        ["R + W", "hurts", "helps"],
    ]
    assert table.rows[1][1].shown.startswith("+10.0 [+9")
    assert table.rows[1][1].mark == "***"
    assert "plain: 1 of 2 steps raise the error, 1 beyond chance." in table.notes


def test_the_joint_model_beside_sensors_trained_alone() -> None:
    joint = frames_of({"plain": LEVELS})
    alone = joint.filter(pl.col("subset").is_in(["R", "W"])).with_columns(
        pl.col("mpjpe_mm") - pl.when(pl.col("subset") == "W").then(20.0).otherwise(0.0),
        method=pl.lit("alone"),
    )
    effects = alone_effects(joint, alone)
    rgb, wifi = effects.iter_rows(named=True)
    assert (rgb["subset"], wifi["subset"]) == ("R", "W")
    assert (rgb["difference_mm"], rgb["hurts"]) == (0.0, False)
    assert wifi["difference_mm"] == pytest.approx(20)
    assert wifi["hurts"]
    assert wifi["alone_mm"] == pytest.approx(wifi["mean_mm"] - 20)
    table = alone_table(effects, CAPTION)
    assert table.header == ("method", "R", "Δ R", "W", "Δ W")
    assert [row[0].text for row in table.rows] == ["trained alone", "plain"]
    assert table.rows[0][3].value == pytest.approx(wifi["alone_mm"])
    assert table.rows[1][4].shown == "+20.0 [+20.0, +20.0]"


def test_collapse_shows_beside_the_true_poses() -> None:
    spreads = pl.DataFrame({"subset": ["R", "W", "RW"], "spread_mm": [80.0, 2.0, 75.0]})
    table = spread_table(spreads.with_columns(share=pl.col("spread_mm") / 100), CAPTION)
    assert table.header == ("method", "R", "W", "RW")
    assert shown(table) == [["model", "80.0 (1)", "2.0 (1)", "75.0 (1)"], ["true poses", *["100.0"] * 3]]
    assert "spread" in table.caption.text
    assert not any(cell.rank for row in table.rows for cell in row)


def test_figures_take_the_values_as_they_are() -> None:
    frames = frames_of({"plain": LEVELS, "AWC": LEVELS}, seeds=3, noise=0.0)
    bars = bar_values(frames)
    assert list(bars["plain"]) == ["R", "W", "RW"]
    assert len(bars["AWC"]["RW"]) == 3
    values, modalities = lattice_values(frames, "plain")
    assert (values.shape, modalities) == ((3, 4), ("rgb", "wifi"))
    assert_allclose(values[:, 3] - values[:, 1], 10)
    assert_allclose(values[:, 1], bars["plain"]["R"])
    lattice = figures.subset_lattice(values, modalities, "simulated data")
    assert "1 of 2 steps hurt" in lattice.axes[0].get_title()
    assert len(figures.subset_bars(bars, "simulated data").axes[0].patches) == 6
    with pytest.raises(ValueError, match="method=None: give one of"):
        lattice_values(frames)


@pytest.mark.parametrize("form", [to_markdown, to_latex, to_csv])
def test_all_tables_print(form: Callable[[Table], str]) -> None:
    frames = frames_of({"plain": LEVELS}, seeds=2, subjects=3)
    alone = frames.filter(pl.col("subset") == "W")
    tables = [
        subset_table(frames, CAPTION),
        group_table(frames, CAPTION, by="environment"),
        step_table(step_effects(frames), CAPTION),
        alone_table(alone_effects(frames, alone), CAPTION),
    ]
    for table in tables:
        assert "plain" in form(table)
        assert "simulated data" in form(table)


def test_what_does_not_fit_is_named() -> None:
    frames = seeds_of(exact(**LEVELS), exact(**LEVELS))
    fewer = frames.filter(~((pl.col("seed") == 1) & (pl.col("subset") == "W") & (pl.col("subject") == "S01")))
    with pytest.raises(ValueError, match=r"plain seed 1 W was judged on other frames than plain seed 0 R"):
        step_effects(fewer)
    with pytest.raises(ValueError, match="no finite error"):
        subset_table(frames.with_columns(mpjpe_mm=pl.lit(np.nan)), CAPTION)
    with pytest.raises(ValueError, match=r"cluster='room' is unknown; use one of \['subject', 'recording'\]"):
        step_effects(frames, cluster="room")
    with pytest.raises(ValueError, match="metric='pck' is unknown"):
        subset_table(frames, CAPTION, metric="pck")
    with pytest.raises(ValueError, match="by='room' is unknown"):
        group_table(frames, CAPTION, by="room")
    with pytest.raises(ValueError, match=r"subset='L' is not in the table; it has \['R', 'W', 'RW'\]"):
        group_table(frames, CAPTION, by="action", subset="L")
    with pytest.raises(ValueError, match="have no seed, or not all frames, in common"):
        alone_effects(frames, frames.with_columns(pl.col("seed") + 7))
