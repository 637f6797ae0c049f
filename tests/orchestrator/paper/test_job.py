"""The whole job as a person runs it: killed and gone on with, nothing is trained twice; what changed is."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import torch

from equipose.experiments.commands.tables import tables
from equipose.experiments.presets.paper import TablesOptions, paper_config
from equipose.orchestrator.grid.run_one import RunsFolder, result_of, work_on
from equipose.orchestrator.paper.plan import PaperConfig, distinct
from equipose.orchestrator.ray_train.run import Resources

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]
CHOSEN = ("alpha", "profit")
CHANGE = "awc.ratio_s=0.5"


def config_of(out: Path, *override: str) -> PaperConfig:
    (store,) = out.glob("stores/simulated-*[0-9a-f]")
    options = TablesOptions(preset="smoke", data="simulated", tables=CHOSEN, override=override)
    return paper_config("tables", options, str(store))


def kept(out: Path) -> RunsFolder:
    return RunsFolder(root=out / "cells", resources=Resources())


def test_finished_runs_are_not_repeated(finished_tables: Any) -> None:
    before = finished_tables.ended_first
    assert 3 <= len(before) < 9, "killed too early or too late to show anything"
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len(list(finished_tables.out.glob("cells/*/result.json"))) == 9
    done = set(re.findall(r"\d\d (\S.*?) done", finished_tables.killed.output))
    again = set(re.findall(r"\d\d (\S.*?) running", finished_tables.resumed.output))
    assert len(done) >= 3
    assert again
    assert not again & done


def test_the_report_is_written_and_its_links_lead_to_the_runs(finished_tables: Any) -> None:
    out = finished_tables.out
    folder = out / "results" / config_of(out).fingerprint(kept(out))
    assert f"{folder.name}/report.html" in finished_tables.resumed.output
    assert {path.name for path in (folder / "tables").glob("*.md")} == {"alpha.md", "profit.md"}
    page = (folder / "report.html").read_text()
    linked = set(re.findall(r"http://127.0.0.1:5000/#/experiments/\d+/runs/([0-9a-f]{32})/", page))
    with sqlite3.connect(f"file:{out / 'mlflow.db'}?mode=ro", uri=True) as database:
        query = "select run_uuid, tags.value from runs join tags using (run_uuid) where tags.key = 'cell'"
        runs = dict(database.execute(query).fetchall())
    keys = {kept(out).key(spec) for spec in distinct(config_of(out).plan())}
    assert {runs[run] for run in linked} == keys
    assert len(linked) == len(runs) == len(keys) == 9, "one MLflow run each, however often it was started"


def test_what_people_read(finished_tables: Any) -> None:
    text = finished_tables.resumed.output
    assert "2 tables: 9 runs" in text
    assert "its links work while this runs: equipose ui" in text
    for noise in ("INFO", "WARNING", "Warning", "Traceback", "(raylet)"):
        assert noise not in finished_tables.killed.output + text


def test_another_ratio_trains_only_what_uses_it(
    finished_tables: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    out = finished_tables.out
    results = {path: path.stat().st_mtime_ns for path in out.glob("cells/*/result.json")}
    tables(preset="smoke", tables=CHOSEN, out=out, override=(CHANGE,), plan=True)
    lines = capsys.readouterr().out.splitlines()
    assert {line.strip() for line in lines if line.startswith("  ") and "(there)" not in line} == {
        "pearson P1 s0",
        "mse P1 s0",
    }
    assert "9 runs in all (tables share some), 7 there, 2 to train" in lines[-1]

    runs_folder = kept(out)
    specs = distinct(config_of(out, CHANGE).plan())
    missing = [spec for spec in specs if result_of(spec, runs_folder) is None]
    assert {spec.name for spec in missing} == {"pearson P1 s0", "mse P1 s0"}
    threads = torch.get_num_threads()
    for spec in missing:
        work_on(spec, runs_folder)
    torch.set_num_threads(threads)
    assert all(result_of(spec, runs_folder) for spec in specs)
    assert {path: path.stat().st_mtime_ns for path in results} == results, "the others were left alone"
