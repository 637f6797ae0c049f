"""The Pareto front against brute force, and what sensors buy against a plain paired difference."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from equipose.models.sensors import subset_name
from equipose.pipelines.statistics.sensor_choice import (
    check_costs,
    choices,
    cost_column,
    front_effects,
    on_front,
    total_costs,
)

SENSORS = ("rgb", "lidar", "wifi")
COSTS = {"money": {"rgb": 50.0, "lidar": 900.0, "wifi": 20.0}}
ERRORS = {"R": 80.0, "L": 70.0, "W": 120.0, "RL": 60.0, "RW": 79.0, "LW": 75.0, "RLW": 61.0}


def frames_of(errors: dict[str, float], subjects: int = 6, noise: float = 0.0) -> pl.DataFrame:
    """Two frames per subject; subjects differ by 5 mm each, and subsets within a subject by `noise`."""
    rng = np.random.default_rng(0)
    rows = []
    for subset, error in errors.items():
        for s in range(subjects):
            own = error + 5 * s + noise * rng.standard_normal()
            where = {"environment": "E01", "subject": f"S{s:02d}", "action": "A02"}
            rows += [
                {"subset": subset, **where, "mpjpe_mm": own + d, "pa_mpjpe_mm": own / 2} for d in (-1, 1)
            ]
    return pl.DataFrame(rows)


def brute_front(errors: np.ndarray, costs: np.ndarray) -> list[bool]:
    values = np.column_stack([errors, costs])
    return [not any((other <= mine).all() and (other < mine).any() for other in values) for mine in values]


@pytest.mark.parametrize("costs", [1, 2])
def test_the_front_is_that_of_brute_force(costs: int) -> None:
    rng = np.random.default_rng(costs)
    errors = rng.integers(0, 6, size=(150, 9)).astype(float)  # with ties
    spent = rng.integers(0, 4, size=(9, costs)).astype(float)
    found = on_front(errors, spent)
    assert found.tolist() == [brute_front(row, spent) for row in errors]
    assert 0 < found.mean() < 1


def test_equal_subsets_are_on_the_front_together() -> None:
    assert on_front(np.array([[5.0, 5.0, 6.0]]), np.array([[1.0], [1.0], [1.0]])).tolist() == [
        [True, True, False]
    ]


def test_choices_name_the_front() -> None:
    found = choices(frames_of(ERRORS), COSTS)
    assert found["subset"].to_list() == list(ERRORS)
    assert_allclose(found["error_mm"], [error + 12.5 for error in ERRORS.values()])
    money = dict(found.select("subset", cost_column("money")).iter_rows())
    assert money == {"R": 50, "L": 900, "W": 20, "RL": 950, "RW": 70, "LW": 920, "RLW": 970}
    assert found.filter("front")["subset"].to_list() == ["R", "L", "W", "RL", "RW"]
    # Subjects differ, but alike for every subset: the front is the same in every resample.
    assert found["front_share"].to_list() == found["front"].cast(float).to_list()
    assert (found["low_mm"] < found["error_mm"]).all()


def test_an_unsure_place_on_the_front_shows() -> None:
    found = choices(frames_of({"R": 80.0, "L": 80.5, "RL": 80.2}, noise=5.0), {"n": {"rgb": 1, "lidar": 1}})
    shares = found["front_share"].to_list()
    assert all(0 < share < 1 for share in shares[:2])
    assert (
        shares
        == choices(frames_of({"R": 80.0, "L": 80.5, "RL": 80.2}, noise=5.0), {"n": {"rgb": 1, "lidar": 1}})[
            "front_share"
        ].to_list()
    )


def test_steps_along_the_front_are_paired_over_subjects() -> None:
    frames = frames_of(ERRORS, noise=1.0)
    front = front_effects(frames, choices(frames, COSTS))
    assert front["subset"].to_list() == ["W", "R", "RW", "L", "RL"]
    assert front["before"].to_list() == [None, "W", "R", "RW", "L"]
    means = frames.group_by("subset", "subject").agg(pl.col("mpjpe_mm").mean())
    wide = means.pivot("subset", index="subject", values="mpjpe_mm")
    for row in front.drop_nulls("before").iter_rows(named=True):
        apart = (wide[row["subset"]] - wide[row["before"]]).to_numpy()
        interval = stats.ttest_1samp(apart, 0).confidence_interval(0.95)
        assert row["difference_mm"] == pytest.approx(apart.mean())
        assert (row["low_mm_difference"], row["high_mm_difference"]) == pytest.approx(tuple(interval))


def test_costs_add_up() -> None:
    costs = {**COSTS, "watts": {"rgb": 2.0, "lidar": 8.0, "wifi": 0.5}}
    subsets = [
        subset_name(sum(1 << SENSORS.index(name) for name in chosen), SENSORS)
        for size in (1, 2, 3)
        for chosen in combinations(SENSORS, size)
    ]
    assert total_costs(subsets, costs)[-1].tolist() == [970.0, 10.5]
    assert total_costs(subsets, costs)[0].tolist() == [50.0, 2.0]


@pytest.mark.parametrize(
    ("costs", "message"),
    [
        ({}, "no cost is given"),
        ({"money": {"rgb": 1.0}}, r"cost 'money' lacks \['lidar', 'wifi'\]"),
        ({"money": dict.fromkeys((*SENSORS, "sonar"), 1.0)}, r"names \['sonar'\]"),
        ({"money": dict.fromkeys(SENSORS, -1.0)}, "cost 'money' of rgb is -1"),
        ({"money": dict.fromkeys(SENSORS, float("nan"))}, "of rgb is nan"),
        ({"money": dict.fromkeys(SENSORS, float("inf"))}, "of rgb is inf"),
    ],
)
def test_costs_that_do_not_fit_are_named(costs: dict[str, dict[str, float]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_costs(costs, SENSORS)


def test_one_subject_has_no_share() -> None:
    found = choices(frames_of(ERRORS, subjects=1), COSTS)
    assert found["front_share"].is_nan().all()
    assert found["low_mm"].is_nan().all()
