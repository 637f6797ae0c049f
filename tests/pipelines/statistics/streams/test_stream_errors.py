"""Error tables of streams: matrices, and tests whose answers are known."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from equipose.pipelines.statistics.streams.errors import (
    compare_final,
    compare_forgetting,
    compare_with_own_learning,
    matrix,
    mean_over_streams,
    nested_in_tasks,
    with_positions,
)

TASKS = ("E01", "E02", "E03")
AFTER = np.array([[50.0, 90.0, 95.0], [70.0, 55.0, 92.0], [80.0, 75.0, 60.0]])
SUBJECTS = tuple(f"S{n:02d}" for n in range(6))


def table(strategy: str, shift: float = 0.0, noise: float = 0.5, seeds: int = 3) -> pl.DataFrame:
    """Errors around AFTER, `shift` mm more on every task but the one just learnt."""
    rng = np.random.default_rng(7)
    rows = []
    for seed in range(seeds):
        for after in range(len(TASKS)):
            for position, task in enumerate(TASKS):
                for subject in SUBJECTS:
                    error = AFTER[after, position] + shift * (after != position) + noise * rng.normal()
                    rows.append(
                        {
                            "strategy": strategy, "seed": seed, "order": 0, "after": after, "task": task,
                            "subset": "RL", "subject": f"{task}{subject}", "error_sum_mm": 10 * error,
                            "count": 10,
                        }
                    )  # fmt: skip
    return with_positions(pl.DataFrame(rows), {0: TASKS})


def test_rows_are_after_and_columns_are_tested_on() -> None:
    one = table("finetune", noise=0.0).filter(pl.col("seed") == 0)
    np.testing.assert_allclose(matrix(one, TASKS), AFTER)


def test_another_order_permutes_rows_and_columns_alike() -> None:
    one = table("finetune", noise=0.0).filter(pl.col("seed") == 0)
    turned = one.with_columns(task=pl.col("task").replace({"E01": "E03", "E03": "E01"}))
    np.testing.assert_allclose(matrix(turned, TASKS[::-1]), AFTER)


def test_what_is_not_tested_is_not_a_number() -> None:
    one = table("finetune", noise=0.0).filter(pl.col("seed") == 0, pl.col("after") == 0)
    found = matrix(one, TASKS)
    np.testing.assert_allclose(found[0], AFTER[0])
    assert np.isnan(found[1:]).all()


def test_final_errors_are_paired_over_streams_and_subjects() -> None:
    both = pl.concat([table("finetune"), table("replay", shift=-15.0)])
    [row] = compare_final(both, "finetune").iter_rows(named=True)
    assert row["method"] == "replay"
    assert row["difference_mm"] == pytest.approx(-10.0, abs=1e-6)  # two of three tasks are shifted
    assert row["verdict"] == "helped"
    assert (row["seeds"], row["clusters"]) == (3, 18)


def test_forgetting_is_tested_on_all_tasks_but_the_last() -> None:
    [row] = compare_with_own_learning(table("finetune"), "finetune").iter_rows(named=True)
    assert row["difference_mm"] == pytest.approx(((80 - 50) + (75 - 55)) / 2, abs=0.5)
    assert row["verdict"] == "hurt"
    assert row["low_mm"] > 0
    assert row["clusters"] == 12


def test_a_strategy_that_keeps_everything_did_not_forget() -> None:
    kept = table("joint").with_columns(
        error_sum_mm=pl.when(pl.col("after") >= pl.col("position")).then(500.0).otherwise("error_sum_mm")
    )
    [row] = compare_with_own_learning(kept, "joint").iter_rows(named=True)
    assert row["difference_mm"] == 0
    assert row["verdict"] == "did not help"


def in_two_orders(strategy: str, shift: float = 0.0) -> pl.DataFrame:
    """The same numbers again, learnt in the opposite order: the last task is another one."""
    first = table(strategy, shift)
    turned = first.drop("position").with_columns(
        order=pl.lit(1, pl.Int64), task=pl.col("task").replace({"E01": "E03", "E03": "E01"})
    )
    both = pl.concat([first.drop("position"), turned.select(first.drop("position").columns)])
    return with_positions(both, {0: TASKS, 1: TASKS[::-1]})


def test_orders_that_end_with_different_tasks_are_joined_within_a_seed() -> None:
    [row] = compare_with_own_learning(in_two_orders("finetune"), "finetune").iter_rows(named=True)
    assert row["difference_mm"] == pytest.approx(25.0, abs=0.5)
    assert row["seeds"] == 3


def test_orders_are_no_further_seeds() -> None:
    both = pl.concat([in_two_orders("finetune"), in_two_orders("replay", shift=-15.0)])
    one_seed = both.filter(pl.col("seed") == 0)
    [row] = compare_final(one_seed, "finetune").iter_rows(named=True)
    assert row["seeds"] == 1
    assert row["verdict"] == "undecided"


def test_what_is_forgotten_is_compared_whatever_was_learnt() -> None:
    worse = table("replay", shift=-15.0).with_columns(pl.col("error_sum_mm") + 300.0)  # learns less well
    both = pl.concat([table("finetune"), worse])
    [row] = compare_forgetting(both, "finetune").iter_rows(named=True)
    assert row["difference_mm"] == pytest.approx(-15.0, abs=1e-6)
    assert row["verdict"] == "helped"


def test_means_keep_the_order_of_strategies_and_their_counts() -> None:
    metrics = pl.DataFrame(
        {"strategy": ["b", "a", "b"], "seed": [0, 0, 1], "order": [0, 0, 0], "final_mm": [60.0, 50.0, 64.0]}
    )
    rows = mean_over_streams(metrics).to_dicts()
    assert [row["strategy"] for row in rows] == ["b", "a"]
    assert rows[0]["final_mm"] == 62.0
    assert rows[0]["final_mm/std"] == pytest.approx(8**0.5)
    assert [row["streams"] for row in rows] == [2, 1]


def rooms_that_differ(strategy: str, shifts: tuple[float, float, float]) -> pl.DataFrame:
    """The table with other final errors in every room."""
    return table(strategy).with_columns(
        error_sum_mm=pl.col("error_sum_mm")
        + 10 * pl.col("task").replace_strict(dict(zip(TASKS, shifts, strict=True))) * (pl.col("after") == 2)
    )


def test_how_rooms_differ_is_no_chance_where_people_are_in_one_room_each() -> None:
    both = pl.concat([table("finetune"), rooms_that_differ("replay", (-40.0, -10.0, 5.0))])
    [row] = compare_final(both, "finetune").iter_rows(named=True)
    assert row["difference_mm"] == pytest.approx(-15.0, abs=0.5)
    assert row["verdict"] == "helped"
    everywhere = both.with_columns(subject=pl.col("subject").str.slice(3))
    assert nested_in_tasks(both)
    assert not nested_in_tasks(everywhere), "the same people in every room: rooms are part of each"
    alone = both.filter(pl.col("subject").str.ends_with("S00"))
    assert not nested_in_tasks(alone), "one person a room says nothing of how people differ"
    [lone] = compare_final(alone, "finetune").iter_rows(named=True)
    assert lone["verdict"] == "undecided"
