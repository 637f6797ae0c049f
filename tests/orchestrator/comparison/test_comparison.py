"""A whole comparison, also killed and resumed: its tables are those of one process, and what MLflow shows."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import polars as pl
import pytest
import torch
from job_processes import ComparisonProcess

from equipose.orchestrator.comparison.job import tune_train_judge
from equipose.orchestrator.comparison.judgements import Judgements
from equipose.orchestrator.comparison.record import method_numbers
from equipose.orchestrator.comparison.results import SettingOutcome
from equipose.orchestrator.comparison.tables import comparison_tables
from equipose.orchestrator.grid.run_one import RunsFolder, work_on
from equipose.orchestrator.grid.run_spec import RunResult, RunSpec
from equipose.orchestrator.ray_train.run import Resources
from equipose.orchestrator.tracking.client import client
from equipose.orchestrator.tracking.runs import PARENT_TAG
from equipose.orchestrator.tracking.server import TrackingServer
from equipose.pipelines.tables.formats import to_csv

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]
NOISE = ("INFO", "WARNING", "Warning", "Traceback", "(raylet)")
COSTS = ["s/epoch", "Shapley, % of time", "peak memory, MiB"]
TABLES = {
    "methods", "training", "headroom", "subsets", "steps", "spread", "joints", "actions", "environments",
    "alone",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Reference:
    """The same comparison, never interrupted, run after run in this process."""

    judgements: Judgements
    chosen: dict[str, Any]
    """Method -> its tuned run."""
    tables: dict[str, str]
    """Name -> CSV."""

    @property
    def outcome(self) -> SettingOutcome:
        return self.judgements.outcome


@dataclass(frozen=True, kw_only=True)
class InProcess:
    """A job that works on its runs one after the other, in this process."""

    root: Path
    progress: Any = field(default_factory=lambda: SimpleNamespace(trials=0))

    @property
    def runs(self) -> RunsFolder:
        return RunsFolder(root=self.root, resources=Resources())

    def run(self, specs: Sequence[RunSpec], stage: str) -> dict[str, RunResult]:
        return {spec.name: work_on(spec, self.runs) for spec in specs}


@pytest.fixture(scope="module")
def reference(finished_comparison: Any, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    config = finished_comparison.config
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in a Ray worker with one CPU
    found = tune_train_judge(config, cast(Any, InProcess(root=tmp_path_factory.mktemp("reference"))))
    torch.set_num_threads(threads)
    (judgements,) = found.settings
    return Reference(
        judgements=judgements,
        chosen={name: run for (_, name), run in found.chosen.items()},
        tables={name: to_csv(table) for name, table in comparison_tables(judgements).items()},
    )


def written(comparison: Any, name: str, kind: str = "csv") -> str:
    return str((comparison.root / "concat-P1-S2" / "tables" / f"{name}.{kind}").read_text())


def without_costs(csv: str) -> pl.DataFrame:
    table = pl.read_csv(csv.encode(), infer_schema=False)
    costs = [column for column in table.columns if column.startswith(tuple(COSTS))]
    assert costs or "Parameters" not in table.columns
    return table.drop(costs)


def test_tables_are_those_of_an_undisturbed_comparison(
    finished_comparison: Any, reference: Reference
) -> None:
    assert set(reference.tables) == TABLES
    assert without_costs(written(finished_comparison, "methods")).equals(
        without_costs(reference.tables["methods"])
    )
    for name in TABLES - {"methods"}:
        assert written(finished_comparison, name) == reference.tables[name], name


def test_every_table_is_there_in_every_form(finished_comparison: Any) -> None:
    for name in TABLES:
        assert "simulated data" in written(finished_comparison, name, "md")
        assert r"\toprule" in written(finished_comparison, name, "tex")
    tuned = written(finished_comparison, "tuned")
    assert re.search(r'awc,"lr .*, ratio_s .*"', tuned)
    figures = {path.stem for path in (finished_comparison.root / "concat-P1-S2" / "figures").glob("*.pdf")}
    assert {"subsets", "joints", "features", "skeletons", "cost-against-gain", "lattice-awc"} <= figures
    assert {"contributions-plain", "gradients-awc", "fisher-awc"} <= figures


@pytest.mark.slow  # in the system suite a sweep is killed, and two tables find runs that were there
def test_killed_and_resumed_it_repeats_no_run_and_ends_in_the_same_tables(
    finished_comparison: Any, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    killed = ComparisonProcess(out, *finished_comparison.command)
    killed.wait_for("plain s0 done")  # between the tests of two methods
    killed.process.kill()
    killed.process.wait()
    assert killed.survivors(patience=30, besides="Agent") == {}  # Ray's agents take a minute to notice
    before = {path: path.stat().st_mtime_ns for path in out.glob("cells/*/result.json")}
    assert 5 <= len(before) < 16, "killed too early or too late to show anything"
    resumed = ComparisonProcess(out, "--resume")
    assert resumed.ended() == 0, resumed.output
    assert {path: path.stat().st_mtime_ns for path in before} == before
    done = set(re.findall(r"(?m)^[\d:]{8} (\S.*?) done", killed.output))
    assert done
    assert not done & set(re.findall(r"(?m)^[\d:]{8} (\S.*?) running epoch 0", resumed.output))
    assert not [noise for noise in NOISE if noise in killed.output + resumed.output]
    other = SimpleNamespace(root=out / "comparisons" / finished_comparison.config.name)
    for name in TABLES:
        assert without_costs(written(other, name)).equals(without_costs(written(finished_comparison, name)))
    assert any("raylet" in command for command in resumed.descendants.values())
    assert resumed.survivors(patience=30) == {}, "nothing is left running"
    assert killed.survivors(patience=60) == {}


def test_checkpoints_of_training_are_tidied_up(finished_comparison: Any) -> None:
    assert len(list(finished_comparison.out.glob("cells/*/result.json"))) == 16
    assert not list(finished_comparison.out.glob("cells/*/train"))


def test_outcome_for_scripts(finished_comparison: Any, reference: Reference) -> None:
    def refuse(name: str) -> None:
        pytest.fail(f"{name} is not JSON")

    text = (finished_comparison.root / "outcome.json").read_text()
    (setting,) = json.loads(text, parse_constant=refuse)["settings"].values()
    errors = {
        method: [run.evaluation.mpjpe_mm for run in reference.outcome.of(method)]
        for method in ("plain", "awc")
    }
    assert setting["test_mpjpe_mm"] == errors
    assert setting["provenance"] == "simulated data"
    assert [row["method"] for row in setting["comparison"]] == ["awc"]


def test_what_people_read(finished_comparison: Any) -> None:
    text = finished_comparison.process.output
    assert "differences to plain on the test part, simulated data" in text
    assert re.search(r"(helped|did not help|hurt|undecided) \(1 of 1\): awc", text)
    assert "underpowered (1 of 1): 2 seeds, fewer than 3" in text
    assert "tables and figures: " in text
    assert "look at it: equipose ui" in text
    assert not [noise for noise in NOISE if noise in text]


@pytest.fixture(scope="module")
def runs(finished_comparison: Any, comparison_server: TrackingServer) -> tuple[Any, list[Any]]:
    """(MLflow, all runs of the comparison)."""
    mlflow = client(comparison_server.uri)
    experiment = mlflow.get_experiment_by_name("equipose/simulated-P1-S2")
    return mlflow, mlflow.search_runs([experiment.experiment_id])


def test_runs_in_mlflow(runs: tuple[Any, list[Any]], finished_comparison: Any, reference: Reference) -> None:
    mlflow, found = runs
    (parent,) = (run for run in found if PARENT_TAG not in run.data.tags)
    children = {run.info.run_name: run for run in found if run is not parent}
    assert len(children) == len(found) - 1, "a spec has one MLflow run, however often it was started"
    assert {run.info.status for run in found} == {"FINISHED"}
    assert parent.info.run_name == finished_comparison.config.name
    finals = [f"{name} s{seed}" for name in ("plain", "awc", "rgb alone", "lidar alone") for seed in (0, 1)]
    tuning = [f"tune-{i} {name}" for name in ("plain", "awc") for i in (0, 1)]
    checks = {
        f"{name} s{seed}": stage
        for seed in (0, 1)
        for name, stage in (("plain longer", "convergence"), ("frozen_unimodal", "headroom"))
    }
    assert set(children) == {*finals, *tuning, *checks, "plain (2 seeds)", "awc (2 seeds)"}
    for name, run in children.items():
        tags = run.data.tags
        assert tags[PARENT_TAG] == parent.info.run_id
        assert tags["comparison"] == finished_comparison.config.name
        stage = "test" if name in finals else "tuning" if name in tuning else "summary"
        assert tags["stage"] == checks.get(name, stage)
        assert tags["fusion"] == "concat"
        assert tags["fingerprint"] == reference.outcome.runs[0].result.fingerprint
        assert ("seed" in tags) == (tags["stage"] != "summary")
        assert ("test/mpjpe_mm" in run.data.metrics) == (tags["stage"] != "tuning")
    check_numbers(mlflow, children, reference)
    tables = {item.path for item in mlflow.list_artifacts(parent.info.run_id, "concat-P1-S2/tables")}
    assert {f"concat-P1-S2/tables/{name}.md" for name in TABLES} <= tables
    assert parent.data.metrics["test/concat-P1-S2/awc/mpjpe_mm"] == pytest.approx(
        children["awc (2 seeds)"].data.metrics["test/mpjpe_mm"]
    )


def check_numbers(mlflow: Any, children: dict[str, Any], reference: Reference) -> None:
    """Curves, test numbers and means are those of the undisturbed comparison, every point once."""
    for run in reference.outcome.runs:
        child = children[run.spec.name]
        assert child.data.metrics["test/mpjpe_mm"] == run.evaluation.mpjpe_mm
        points = mlflow.get_metric_history(child.info.run_id, "val/mpjpe_mm")
        curve = [(point.step, point.value) for point in sorted(points, key=lambda point: point.step)]
        assert curve == list(enumerate(run.result.series("val/mpjpe_mm")))
    for method, numbers in method_numbers(reference.judgements).items():
        shown = children[f"{method} (2 seeds)"].data
        for name in ("test/mpjpe_mm", "test/mpjpe_mm/std", "test/pa_mpjpe_mm", "cost/parameters"):
            assert shown.metrics[name] == pytest.approx(numbers[name])
        chosen = reference.chosen[method]
        assert float(shown.params["tuned.lr"]) == pytest.approx(chosen.optimizer.lr, rel=1e-3)
        dial = f"ratio_s {chosen.method.ratio_s:.4g}" if method == "awc" else "none"
        assert shown.params["tuned.dial"].startswith(dial)
        assert not [name for name in shown.metrics if name.endswith(("low/std", "cost/parameters/std"))]
    (row,) = reference.judgements.judged().to_dicts()
    awc = children["awc (2 seeds)"].data
    assert awc.tags["verdict"] == row["judgement"]
    found = [awc.metrics[f"test/minus_plain_mm{bound}"] for bound in ("", "/low", "/high")]
    assert found == pytest.approx([row["difference_mm"], row["low_mm"], row["high_mm"]])


def test_costs_are_measured(reference: Reference) -> None:
    costs = reference.outcome.costs()
    assert costs["method"].to_list() == ["plain", "awc"]
    for column in COSTS:
        assert (costs[column] > 0).all()


def test_folder_of_a_comparison_can_be_read_alone(finished_comparison: Any) -> None:
    root: Path = finished_comparison.root
    assert json.loads((root / "job.json").read_text())["override"][0] == "model.modalities=rgb,lidar"
    assert not list((root / "spool").glob("*.jsonl")), "everything was delivered"
