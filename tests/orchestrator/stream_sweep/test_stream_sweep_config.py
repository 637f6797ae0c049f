"""What a sweep of streams searches, what a trial runs, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from equipose.balancing.registry import method_name
from equipose.orchestrator.continual.config import Strategy
from equipose.orchestrator.grid.run_spec import RunSpec


def test_every_strategy_has_the_same_budget(sweep: Callable[..., Any]) -> None:
    config = sweep(trials=4)
    assert {search.name: search.trials for search in config.searches()} == {
        "finetune": 1, "ewc": 4, "replay": 4,
    }  # fmt: skip
    assert config.total == 9


def test_a_strategy_starts_as_it_is(sweep: Callable[..., Any]) -> None:
    points = {search.name: search.enqueued() for search in sweep(memory=True).searches()}
    assert points == {
        "finetune": [{}],
        "ewc": [{"ewc.strength": 1e5}],
        "replay": [{"replay.rows": 200, "replay.beta": 1.0}],
    }


def test_a_trial_is_the_whole_stream_with_its_dials_turned(sweep: Callable[..., Any]) -> None:
    runs = sweep().runs("ewc", {"ewc.strength": 7.0})
    assert [run.config.data.split[-3:] for run in runs] == ["E01", "E02", "E03"]
    assert [method_name(run.config.method) for run in runs] == ["plain", "ewc", "ewc"]
    assert runs[2].config.method.strength == 7.0
    assert runs[2].init_from == runs[1]
    assert {run.config.seed for run in runs} == {1000}


def test_no_trial_reads_a_test_part(sweep: Callable[..., Any]) -> None:
    for run in sweep().runs("replay", {"replay.beta": 2.0}):
        assert all(one.evaluations == {} and not one.refit for one in run.line)


def test_trials_share_runs_with_each_other_and_with_a_continual_job(sweep: Callable[..., Any]) -> None:
    def key(spec: RunSpec) -> str:
        return spec.key("data", key(spec.init_from) if spec.init_from else None)

    config = sweep()
    tuned = [key(run) for run in config.runs("ewc", {"ewc.strength": 1e5})]
    other = [key(run) for run in config.runs("ewc", {"ewc.strength": 10.0})]
    assert tuned[0] == other[0]
    assert not set(tuned[1:]) & set(other[1:])
    [stream] = [one for one in config.job.streams() if one.strategy.name == "ewc"]
    assert [key(run) for run in config.job.runs(stream)] == tuned


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trials": 0}, "trials must be at least 1, got 0"),
        ({"seeds": (0, 1)}, r"one of seeds, got \[0, 1\]"),
        ({"strategies": (Strategy(name="finetune"),)}, "has anything to tune"),
        (
            {"strategies": (Strategy(name="finetune"), Strategy(name="joint", shape="joint"))},
            r"strategies \['joint'\] are references",
        ),
    ],
)
def test_impossible_sweeps_are_refused(
    sweep: Callable[..., Any], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        sweep(**changes)
