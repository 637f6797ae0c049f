"""A finished sweep and a finished comparison are extended: nothing is repeated, and the record follows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import pytest
from job_processes import ComparisonProcess, SweepProcess

from equipose.orchestrator.tracking.client import client
from equipose.orchestrator.tracking.runs import PARENT_TAG
from equipose.orchestrator.tracking.server import tracking_server

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(1800)]
SMALL = ("--sensors", "rgb", "lidar", "--epochs", "1")


@contextmanager
def recorded(out: Path) -> Iterator[tuple[Any, dict[str, Any]]]:
    """The run of the only job below `out`, and its children by name."""
    with tracking_server(out) as server:
        mlflow = client(server.uri)
        experiment = mlflow.get_experiment_by_name("equipose/simulated-P1-S2")
        runs = mlflow.search_runs([experiment.experiment_id])
        (parent,) = (run for run in runs if PARENT_TAG not in run.data.tags)
        children = {run.info.run_name: run for run in runs if run is not parent}
        assert len(children) == len(runs) - 1, "no run is there twice"
        yield parent, children


def done(process: Any) -> str:
    """What a job printed that ended well."""
    assert process.ended(900) == 0, process.output
    return str(process.output)


def times(out: Path, pattern: str) -> dict[Path, int]:
    """Files -> when they were written (ns)."""
    return {path: path.stat().st_mtime_ns for path in out.glob(pattern)}


def test_a_sweep_gets_more_trials(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done(SweepProcess(out, *SMALL))
    before = times(out, "sweeps/*/train/*/trial-*/**/state.pt")
    assert len(before) >= 6
    said = done(SweepProcess(out, "--resume", "--trials", "7"))
    assert "trial-006 running" in said
    assert "trial-000 running" not in said
    assert {path: path.stat().st_mtime_ns for path in before} == before
    (root,) = out.glob("sweeps/*")
    outcome = json.loads((root / "outcome.json").read_text())
    assert [trial["trial"] for trial in outcome["trials"]] == [f"trial-{n:03d}" for n in range(7)]
    assert json.loads((root / "job.json").read_text())["trials"] == 7
    study = optuna.load_study(study_name=root.name, storage=f"sqlite:///{root / 'optuna.db'}")
    assert len(study.trials) == 7
    with recorded(out) as (parent, children):
        assert (parent.info.status, parent.data.tags["trials"]) == ("FINISHED", "7")
        assert parent.data.tags["modalities"] == "rgb,lidar"
        assert parent.data.metrics["best/mpjpe_mm"] == pytest.approx(outcome["best"]["best/mpjpe_mm"])
        for role, error in outcome["test_mpjpe_mm"].items():
            assert parent.data.metrics[f"test/{role}/mpjpe_mm"] == pytest.approx(error)
        assert sorted(children) == [f"trial-{n:03d}" for n in range(7)]


def test_a_comparison_gets_more_seeds(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done(ComparisonProcess(out, *SMALL, "--methods", "awc", "--seeds", "1"))
    before = times(out, "cells/*/result.json")
    assert len(before) == 10, "2 x 2 to tune, 2 to compare, a longer and a frozen one, 2 sensors alone"
    done(ComparisonProcess(out, "--resume", "--seeds", "2"))
    after = times(out, "cells/*/result.json")
    assert {path: after[path] for path in before} == before
    assert len(after) == 10 + 6
    (root,) = out.glob("comparisons/*")
    (setting,) = json.loads((root / "outcome.json").read_text())["settings"].values()
    assert {method: len(errors) for method, errors in setting["test_mpjpe_mm"].items()} == {
        "plain": 2, "awc": 2
    }  # fmt: skip
    with recorded(out) as (parent, children):
        assert (parent.info.status, parent.data.tags["seeds"]) == ("FINISHED", "0,1")
        assert {"awc (2 seeds)", "plain (2 seeds)", "awc s1", "rgb alone s1"} <= set(children)
        assert not [name for name in children if "1 seed" in name], "renamed, not left beside the new one"
        summary = children["awc (2 seeds)"].data
        assert summary.tags["seeds"] == "0,1"
        mean = sum(setting["test_mpjpe_mm"]["awc"]) / 2
        assert summary.metrics["test/mpjpe_mm"] == pytest.approx(mean)
        assert parent.data.metrics["test/concat-P1-S2/awc/mpjpe_mm"] == pytest.approx(mean)
