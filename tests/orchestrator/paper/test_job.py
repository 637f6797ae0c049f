"""A whole job: what is there, or was there when it was killed, is not trained again; what changed is."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from job_processes import TablesProcess, in_this_process

from equipose.experiments.commands.tables import tables
from equipose.experiments.presets.paper import TablesOptions, paper_config
from equipose.orchestrator.grid.run_one import RunsFolder, result_of, work_on
from equipose.orchestrator.paper.plan import PaperConfig
from equipose.orchestrator.ray_train.run import Resources

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]
CHOSEN = ("alpha", "profit")
CHANGE = "awc.ratio_s=0.5"
NOISE = ("INFO", "WARNING", "Warning", "Traceback", "(raylet)")


def config_of(out: Path, *override: str) -> PaperConfig:
    (store,) = out.glob("stores/simulated-*[0-9a-f]")
    options = TablesOptions(preset="smoke", data="simulated", tables=CHOSEN, override=override)
    return paper_config("tables", options, str(store))


def kept(out: Path) -> RunsFolder:
    return RunsFolder(root=out / "cells", resources=Resources())


def results_in(out: Path) -> dict[Path, int]:
    """Result file of every run that has ended -> its time of change (ns)."""
    return {path: path.stat().st_mtime_ns for path in out.glob("cells/*/result.json")}


@dataclass(frozen=True, kw_only=True)
class FinishedTables:
    """Two tables (9 runs), three of whose runs were there before the job."""

    out: Path
    first: frozenset[str]
    """Names of the three."""
    ended_first: dict[Path, int] = field(repr=False)
    output: str = field(repr=False)


@pytest.fixture(scope="module")
def finished_tables(ray_cluster: None, tmp_path_factory: pytest.TempPathFactory) -> FinishedTables:
    """The tables of strengths and profits, on this process's Ray."""
    out = tmp_path_factory.mktemp("tables") / "out"
    in_this_process(tables, preset="smoke", tables=CHOSEN, out=out, plan=True)  # prepares the data
    first = config_of(out).runs()[:3]
    for spec in first:
        work_on(spec, kept(out))
    ended_first = results_in(out)
    return FinishedTables(
        out=out,
        first=frozenset(spec.name for spec in first),
        ended_first=ended_first,
        output=in_this_process(tables, preset="smoke", tables=CHOSEN, out=out),
    )


def test_finished_runs_are_not_repeated(finished_tables: FinishedTables) -> None:
    before = finished_tables.ended_first
    assert len(before) == len(finished_tables.first) == 3
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len(results_in(finished_tables.out)) == 9
    trained = set(re.findall(r"(?m)^[\d:]{8} (\S.*?) running epoch 0", finished_tables.output))
    done = set(re.findall(r"(?m)^[\d:]{8} (\S.*?) done", finished_tables.output))
    assert len(trained) == 6
    assert not trained & finished_tables.first
    assert done == trained | finished_tables.first


@pytest.mark.slow
def test_a_killed_job_goes_on_where_it_was(tmp_path: Path) -> None:
    out = tmp_path / "out"
    killed = TablesProcess(out, "--tables", *CHOSEN)
    killed.wait_for(r"\[3/9 runs")
    killed.process.kill()
    killed.process.wait()
    assert killed.survivors(patience=30, besides="Agent") == {}  # Ray's agents take a minute to notice
    before = results_in(out)
    assert 3 <= len(before) < 9, "killed too early or too late to show anything"
    resumed = TablesProcess(out, "--resume")
    assert resumed.ended() == 0, resumed.output
    assert results_in(out).items() >= before.items()
    assert len(results_in(out)) == 9
    assert f"{config_of(out).fingerprint(kept(out))}/report.html" in resumed.output
    for noise in NOISE:
        assert noise not in killed.output + resumed.output


def test_the_report_is_written_and_its_links_lead_to_the_runs(finished_tables: FinishedTables) -> None:
    out = finished_tables.out
    folder = out / "results" / config_of(out).fingerprint(kept(out))
    assert f"{folder.name}/report.html" in finished_tables.output
    assert {path.name for path in (folder / "tables").glob("*.md")} == {"alpha.md", "profit.md"}
    page = (folder / "report.html").read_text()
    linked = set(re.findall(r"http://127.0.0.1:5000/#/experiments/\d+/runs/([0-9a-f]{32})/", page))
    with sqlite3.connect(f"file:{out / 'mlflow.db'}?mode=ro", uri=True) as database:
        query = "select run_uuid, tags.value from runs join tags using (run_uuid) where tags.key = 'cell'"
        runs = dict(database.execute(query).fetchall())
    keys = {kept(out).key(spec) for spec in config_of(out).runs()}
    assert {runs[run] for run in linked} == keys
    assert len(linked) == len(runs) == len(keys) == 9, "one MLflow run each, however often it was started"


def test_what_people_read(finished_tables: FinishedTables) -> None:
    text = finished_tables.output
    assert "2 tables: 9 runs" in text
    assert "its links work while this runs: equipose ui" in text
    for noise in NOISE:
        assert noise not in text


def test_another_ratio_trains_only_what_uses_it(
    finished_tables: FinishedTables, capsys: pytest.CaptureFixture[str]
) -> None:
    out = finished_tables.out
    results = results_in(out)
    tables(preset="smoke", tables=CHOSEN, out=out, override=(CHANGE,), plan=True)
    lines = capsys.readouterr().out.splitlines()
    assert {line.strip() for line in lines if line.startswith("  ") and "(there)" not in line} == {
        "pearson P1 s0",
        "mse P1 s0",
    }
    assert "9 runs in all (tables share some), 7 there, 2 to train" in lines[-1]

    runs_folder = kept(out)
    specs = config_of(out, CHANGE).runs()
    missing = [spec for spec in specs if result_of(spec, runs_folder) is None]
    assert {spec.name for spec in missing} == {"pearson P1 s0", "mse P1 s0"}
    threads = torch.get_num_threads()
    for spec in missing:
        work_on(spec, runs_folder)
    torch.set_num_threads(threads)
    assert all(result_of(spec, runs_folder) for spec in specs)
    assert {path: path.stat().st_mtime_ns for path in results} == results, "the others were left alone"
