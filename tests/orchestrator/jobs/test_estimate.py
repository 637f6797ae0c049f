"""What is left of a job, from made-up runs whose length is known."""

from __future__ import annotations

import pytest

from equipose.orchestrator.jobs.estimate import Alike, Estimate


def test_nothing_is_said_before_two_epochs() -> None:
    estimate = Estimate()
    assert estimate.remaining(4, 0.0) is None
    estimate.note("a", "running", 0, 10, now=1.0)
    estimate.note("a", "running", 1, 10, now=40.0)
    assert estimate.remaining(4, 40.0) is None


@pytest.mark.parametrize("side_by_side", [1, 2])
def test_the_start_of_processes_is_not_taken_for_epochs(side_by_side: int) -> None:
    """Runs of 10 s and 20 epochs of 1 s: the first estimate of four of them is right within a fifth."""
    estimate = Estimate()
    for name in "ab"[:side_by_side]:
        estimate.note(name, "running", 0, 20, now=5.0)
    for name in "ab"[:side_by_side]:
        estimate.note(name, "running", 1, 20, now=16.0)
        estimate.note(name, "running", 2, 20, now=17.0)
    truth = 4 * 30.0 / side_by_side - 12.0
    assert estimate.remaining(4, 17.0) == pytest.approx(truth, rel=0.2)


def test_runs_that_have_ended_count_with_all_they_did() -> None:
    estimate = Estimate()
    estimate.note("a", "running", 0, 10, now=0.0)
    estimate.note("a", "done", 10, 10, now=30.0)
    estimate.note("b", "running", 0, 10, now=30.0)
    assert estimate.remaining(3, 36.0) == pytest.approx(24.0 + 30.0)


def test_runs_kept_from_before_took_no_time() -> None:
    estimate = Estimate()
    for i in range(30):
        estimate.note(f"kept {i}", "done", 10, 10, now=0.5)
    assert estimate.remaining(32, 1.0) is None
    estimate.note("a", "running", 0, 10, now=1.0)
    estimate.note("a", "done", 10, 10, now=101.0)
    assert estimate.remaining(32, 101.0) == pytest.approx(100.0)


def test_a_stopped_run_counts_as_whole_since_later_ones_stop_too() -> None:
    estimate = Estimate()
    estimate.note("a", "running", 0, 10, now=0.0)
    estimate.note("a", "stopped", 2, 10, now=20.0)
    assert estimate.remaining(4, 20.0) == pytest.approx(60.0)


def test_nothing_is_said_of_a_run_that_takes_longer_than_the_others() -> None:
    estimate = Estimate()
    estimate.note("a", "running", 0, 10, now=0.0)
    estimate.note("a", "done", 10, 10, now=10.0)
    estimate.note("b", "running", 0, 10, now=10.0)
    assert estimate.remaining(2, 50.0) is None


def test_longer_runs_take_longer() -> None:
    estimate = Estimate()
    estimate.note("a", "running", 0, 10, now=0.0)
    estimate.note("b", "waiting", 0, 40, now=0.0)
    estimate.note("a", "done", 10, 10, now=10.0)
    assert estimate.remaining(2, 10.0) == pytest.approx(40.0)


def test_a_running_one_ends_at_its_own_pace_and_not_at_that_of_stopped_ones() -> None:
    estimate = Estimate()
    estimate.note("stopped", "running", 0, 10, now=0.0)
    estimate.note("stopped", "stopped", 1, 10, now=2.0)
    estimate.note("b", "running", 0, 10, now=2.0)
    for epoch in range(1, 5):
        estimate.note("b", "running", epoch, 10, now=2.0 + 2.0 * epoch)
    assert estimate.remaining(2, 10.0) == pytest.approx(12.0), "six epochs of two seconds"


def test_nothing_is_said_of_the_last_runs_before_two_epochs_of_theirs() -> None:
    estimate = Estimate()
    estimate.note("stopped", "running", 0, 10, now=0.0)
    estimate.note("stopped", "stopped", 1, 10, now=2.0)
    estimate.note("b", "running", 0, 10, now=2.0)
    assert estimate.remaining(3, 2.0) is not None, "one is still to come"
    assert estimate.remaining(2, 2.0) is None, "it may be stopped as early, or not at all"
    estimate.note("b", "running", 1, 10, now=4.0)
    estimate.note("b", "running", 2, 10, now=6.0)
    assert estimate.remaining(2, 6.0) == pytest.approx(16.0)


def test_of_runs_that_differ_nothing_is_said_from_one_to_another() -> None:
    kinds: dict[Alike, float | None] = {"epochs": 40.0, "runs": 40.0, "nothing": None}
    for alike, said in kinds.items():
        estimate = Estimate(alike=alike)
        estimate.note("first stage", "running", 0, 10, now=0.0)
        estimate.note("first stage", "done", 10, 10, now=20.0)
        assert estimate.remaining(3, now=20.0) == said
    estimate.note("second stage", "done", 10, 10, now=40.0)
    for epoch in range(3):
        estimate.note("last stage", "running", epoch, 10, now=40.0 + 5 * epoch)
    assert estimate.remaining(3, now=50.0) == 40.0, "its own pace is known"


def test_lines_of_unequal_stages_count_by_those_that_have_ended() -> None:
    """Three stages of 1, 1 and 8 s."""
    estimate = Estimate(alike="runs")
    for stage, now in enumerate((0.0, 1.0, 2.0)):
        estimate.note("first", "running", stage, 3, now=now)
        assert estimate.remaining(3, now) is None, "what the last stage costs is not known yet"
    estimate.note("first", "done", 3, 3, now=10.0)
    for stage, now in enumerate((10.0, 11.0, 12.0)):
        estimate.note("second", "running", stage, 3, now=now)
        assert estimate.remaining(3, now) == pytest.approx(30.0 - now)
    estimate.note("second", "done", 3, 3, now=20.0)
    estimate.note("third", "running", 0, 3, now=20.0)
    assert estimate.remaining(3, 20.0) == pytest.approx(10.0), "the last line is as long as the others"
