"""A whole sweep, killed in the middle and resumed: what it leaves on disk, in MLflow and in the study."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import pytest

from equipose.models.sensors import DEFAULT_SENSORS, subset_name
from equipose.orchestrator.tracking.client import client
from equipose.orchestrator.tracking.runs import PARENT_TAG
from equipose.orchestrator.tracking.server import TrackingServer

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]
EPOCHS, TRIALS = 2, 4
TAGS = {
    "method", "fusion", "modalities", "seed", "protocol", "split", "fingerprint", "git_sha", "provenance"
}  # fmt: skip


@dataclass(frozen=True)
class Tracked:
    """What MLflow shows of the finished sweep."""

    mlflow: Any
    parent: Any
    children: dict[str, Any]

    def history(self, run: Any, key: str) -> list[tuple[int, float]]:
        """(step, value) of every point, in order of steps."""
        return sorted((p.step, p.value) for p in self.mlflow.get_metric_history(run.info.run_id, key))


@pytest.fixture(scope="module")
def tracked(sweep_server: TrackingServer) -> Tracked:
    mlflow = client(sweep_server.uri)
    experiment = mlflow.get_experiment_by_name("equipose/simulated-P1-S2")
    runs = mlflow.search_runs([experiment.experiment_id])
    (parent,) = (run for run in runs if PARENT_TAG not in run.data.tags)
    children = {run.info.run_name: run for run in runs if PARENT_TAG in run.data.tags}
    assert len(runs) == len(children) + 1, "a trial has one run, however often it was started"
    return Tracked(mlflow, parent, children)


def outcome(sweep: Any) -> dict[str, Any]:
    return json.loads((sweep.root / "outcome.json").read_text())


def test_outcome_lists_every_trial(finished_sweep: Any) -> None:
    trials = outcome(finished_sweep)["trials"]
    assert [trial["trial"] for trial in trials] == [f"trial-{i:03d}" for i in range(TRIALS)]
    assert {trial["fusion"] for trial in trials} == {"concat", "mlp"}
    assert {(trial["state"], trial["epochs"]) for trial in trials} == {("done", EPOCHS)}
    first = trials[0]
    assert (first["strength"], first["weak_share"], first["window"]) == (0.3, 0.0, 1)
    best = min(trials, key=lambda trial: trial["best/mpjpe_mm"])
    assert outcome(finished_sweep)["best"] == best
    for path in outcome(finished_sweep)["checkpoints"].values():
        assert (Path(path) / "state.pt").is_file()


def test_finished_trials_are_not_repeated(finished_sweep: Any) -> None:
    assert finished_sweep.finished_first, "the driver was killed before a trial had finished"
    for trial in finished_sweep.finished_first:
        before = {p: t for p, t in finished_sweep.files_before.items() if trial in p.parts}
        assert before
        assert {p: p.stat().st_mtime_ns for p in before} == before
        assert f"{trial} running" not in finished_sweep.resumed.output
        assert f"{trial} done" in finished_sweep.resumed.output, "the display shows what was done before"


def test_runs_keep_their_identity(finished_sweep: Any, tracked: Tracked) -> None:
    now = {name: run.info.run_id for name, run in tracked.children.items()}
    now[finished_sweep.name] = tracked.parent.info.run_id
    assert set(now) == {finished_sweep.name, *(f"trial-{i:03d}" for i in range(TRIALS))}
    assert {name: now[name] for name in finished_sweep.runs_before} == finished_sweep.runs_before
    assert {run.info.status for run in (*tracked.children.values(), tracked.parent)} == {"FINISHED"}


def test_every_point_is_there_once(tracked: Tracked) -> None:
    masks = range(1, 2 ** len(DEFAULT_SENSORS))
    names = ["train/loss", "val/mpjpe_mm", "val/pa_mpjpe_mm", "best/mpjpe_mm"]
    names += [f"shapley/{m}" for m in DEFAULT_SENSORS]
    names += [f"subset/{subset_name(mask, DEFAULT_SENSORS)}/mpjpe_mm" for mask in masks]
    for run in tracked.children.values():
        free, window = (int(run.data.params[f"method.{name}"]) for name in ("free_epochs", "window"))
        for key in {*names, *run.data.metrics}:
            inside_window = key.startswith(("fisher/", "method/", "train/loss/awc"))
            steps = [step for step, _ in tracked.history(run, key)]
            assert steps == list(range(free, free + window) if inside_window else range(EPOCHS)), (
                run.info.run_name,
                key,
            )
        assert ("fisher/rgb" in run.data.metrics) == (window > 0)
        values = dict(tracked.history(run, "val/mpjpe_mm")).values()
        assert tracked.history(run, "best/mpjpe_mm")[-1][1] == min(values)


def test_children_carry_tags_and_config(tracked: Tracked) -> None:
    for name, run in tracked.children.items():
        assert run.data.tags.keys() >= TAGS
        assert run.data.tags[PARENT_TAG] == tracked.parent.info.run_id
        assert run.data.tags["provenance"] == "simulated data"
        assert run.data.tags["fusion"] == run.data.params["model.fusion"]
        assert [item.path for item in tracked.mlflow.list_artifacts(run.info.run_id)] == ["config.json"], name
    assert len({run.data.tags["fingerprint"] for run in tracked.children.values()}) == 1


def test_parent_holds_figures_and_tables(finished_sweep: Any, tracked: Tracked) -> None:
    run_id = tracked.parent.info.run_id
    folders = {
        "": {"config.json"},
        "tables": {"tables/trials.csv", "tables/test-awc.md", "tables/test-plain.md"},
    }
    figures = ("sweep-history", "parallel-coordinates", "subset-errors", "skeletons", "contributions-awc")
    folders["figures"] = {f"figures/{name}.png" for name in figures}
    for folder, wanted in folders.items():
        assert wanted <= {item.path for item in tracked.mlflow.list_artifacts(run_id, folder)}
    assert tracked.parent.data.metrics["best/mpjpe_mm"] == outcome(finished_sweep)["best"]["best/mpjpe_mm"]
    assert tracked.parent.data.tags.keys() >= TAGS


def test_study_opens_and_has_no_orphans(finished_sweep: Any) -> None:
    storage = f"sqlite:///{finished_sweep.root / 'optuna.db'}"
    study = optuna.load_study(study_name=finished_sweep.name, storage=storage)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * TRIALS
    assert study.best_value == outcome(finished_sweep)["best"]["best/mpjpe_mm"]
    assert [sorted(trial.intermediate_values) for trial in study.trials] == [[1, 2]] * TRIALS


def test_nothing_is_left_running(finished_sweep: Any) -> None:
    started = finished_sweep.resumed.descendants
    assert any("raylet" in command for command in started.values())
    assert any("mlflow" in command for command in started.values())
    assert finished_sweep.resumed.survivors(patience=30) == {}
    assert finished_sweep.killed.survivors(patience=60) == {}


def test_console_speaks_of_the_sweep_only(finished_sweep: Any) -> None:
    text = finished_sweep.killed.output + finished_sweep.resumed.output
    for noise in ("INFO", "WARNING", "Warning", "A new study", "Traceback", "(raylet)", "Tune"):
        assert noise not in text
    assert "look at it: equipose ui" in finished_sweep.resumed.output


@pytest.mark.slow  # every stage is in test_sweep_faults.py
def test_interrupted_sweep_says_how_to_go_on(sweep_process: Any, tmp_path: Path) -> None:
    sweep = sweep_process(tmp_path / "out")
    sweep.wait_for("trial-000 running")
    os.killpg(sweep.process.pid, signal.SIGINT)  # as Ctrl-C at a terminal: to the whole group
    assert sweep.ended(timeout=120) == 130, sweep.output
    assert "--resume" in sweep.output
    assert f"--out {tmp_path / 'out'}" in sweep.output
    assert "interrupted" in sweep.output.splitlines()[-1]
    assert "Traceback" not in sweep.output
    assert sweep.survivors(patience=30) == {}
    assert not list((tmp_path / "out").glob("sweeps/*/outcome.json"))
