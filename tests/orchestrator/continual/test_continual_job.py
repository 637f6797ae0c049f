"""A continual job: its tables; killed inside a task and resumed from the command line, it gives the same."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from job_processes import ContinualProcess, in_this_process, runs_by_name

from equipose.experiments.commands.continual import continual
from equipose.orchestrator.evaluation.evaluation import load_evaluation

pytestmark = [pytest.mark.system]

TASKS, STRATEGIES = ("E01", "E02"), ("joint", "replay", "noisy nis+replay")
OPTIONS = ("--tasks", *TASKS, "--strategies", *STRATEGIES, "--seeds", "1")
RUNS = 1 + 2 + 1 + 2  # joint, finetune, replay after its shared first task, nis+replay in its own data


@pytest.fixture(scope="module")
def finished(ray_cluster: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of an uninterrupted job, on this process's Ray."""
    out = tmp_path_factory.mktemp("continual") / "out"
    shown = in_this_process(
        continual, preset="smoke", tasks=TASKS, strategies=STRATEGIES, seeds=1, epochs=6, out=out
    )
    assert "final" in shown
    return out


def job_folder(out: Path) -> Path:
    return out / "continual" / "continual-simulated-smoke-001"


def rows(out: Path, table: str) -> list[dict[str, str]]:
    with (job_folder(out) / "tables" / f"{table}.csv").open() as file:
        return list(csv.DictReader(file))


def untimed(out: Path, table: str) -> list[dict[str, str]]:
    """A table without what depends on the machine."""
    return [
        {k: v for k, v in row.items() if "time" not in k and "seconds" not in k} for row in rows(out, table)
    ]


def test_every_run_is_there_once_under_its_name(finished: Path) -> None:
    names = runs_by_name(finished)
    tasks = {name for name in names if re.search(r" s0 o0", name)}
    assert {
        "joint s0 o0",
        "finetune s0 o0 2 E02",
        "replay s0 o0 1 E01",
        "noisy nis+replay s0 o0 2 E02",
    } <= tasks
    kept = [path for path in (finished / "cells").iterdir() if (path / "result.json").exists()]
    assert len(kept) == RUNS


def test_the_matrix_is_that_of_the_evaluations(finished: Path) -> None:
    after, tested = {}, {}
    for folder in (finished / "cells").iterdir():
        result = json.loads((folder / "result.json").read_text())
        config = result["config"]
        if config["method"]["name"] == "plain" and "+" not in config["data"]["split"]:
            after[config["data"]["split"].rpartition("=")[2]] = folder
    for task, folder in after.items():
        for other in ("E01", "E02"):
            frames = load_evaluation(folder / f"test-last-{other}").frames
            full = frames.filter(pl.col("subset") == "RLMW")["mpjpe_mm"]
            tested[task, other] = float(full.to_numpy().mean())
    matrix = rows(finished, "matrix-finetune")
    for position, task in enumerate(("E01", "E02")):
        shown = [float(matrix[position][f"tested on {other}"]) for other in ("E01", "E02")]
        np.testing.assert_allclose(shown, [tested[task, other] for other in ("E01", "E02")], atol=0.06)


def test_the_report_holds_tables_figures_and_what_is_ours(finished: Path) -> None:
    text = (job_folder(finished) / "report.html").read_text()
    for words in ("Strategies", "What was forgotten", "our own design", "simulated data", "Error matrices"):
        assert words in text, words
    assert text.count("data:image/png") >= 6


def test_detection_is_measured_on_contaminated_data_alone(finished: Path) -> None:
    found = sorted(path.name for path in (job_folder(finished) / "tables").glob("detection-*.csv"))
    assert found == ["detection-noisy-nis-replay.csv"]
    table = rows(finished, "detection-noisy-nis-replay")
    kinds = [row["kind"] for row in table]
    assert kinds[-1] == "any"
    assert len(kinds) > 2
    total = int(float(table[-1]["readings"]))
    assert total == sum(int(float(row["readings"])) for row in table[:-1]) > 0
    assert all(0 <= float(row["AUROC any"]) <= 1 for row in table)


@pytest.mark.slow
def test_killed_inside_a_task_and_resumed_it_gives_the_same_tables(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    job = ContinualProcess(out, *OPTIONS, "--epochs", "6")
    job.wait_for(r"replay s0 o0 2 E02 running")
    os.killpg(job.process.pid, signal.SIGKILL)
    job.process.wait()
    ended = {path: path.stat().st_mtime_ns for path in (out / "cells").glob("*/result.json")}
    assert len(ended) < RUNS
    again = ContinualProcess(out, "--resume")
    assert again.ended() == 0, again.output
    assert {path: path.stat().st_mtime_ns for path in ended} == ended
    for table in ("strategies", "matrix-replay", "matrix-noisy-nis-replay", "sensors", "streams"):
        assert untimed(out, table) == untimed(finished, table), table


@pytest.mark.slow
def test_two_workers_learn_a_stream(tmp_path: Path) -> None:
    out = tmp_path / "out"
    job = ContinualProcess(
        out, "--tasks", "E01", "E02", "--strategies", "ewc", "--seeds", "1", "--workers", "2", "--override",
        "model.dropout=0",
    )  # fmt: skip
    assert job.ended() == 0, job.output
    results = [json.loads(path.read_text()) for path in (out / "cells").glob("*/result.json")]
    assert len(results) == 3  # the first task is shared
    later = [result for result in results if result["config"].get("earlier_tasks")]
    assert all("task/E01/val/mpjpe_mm" in result["history"][-1] for result in later)
    [penalised] = [result for result in later if result["config"]["method"]["name"] == "ewc"]
    assert penalised["history"][-1]["train/loss/ewc"] > 0
