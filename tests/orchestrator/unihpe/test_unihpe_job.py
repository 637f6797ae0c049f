"""A UniHPE job: its stages and tables; killed inside a stage and resumed, it gives the same."""

from __future__ import annotations

import csv
import json
import os
import signal
from pathlib import Path

import pytest
from job_processes import UnihpeProcess, in_this_process, runs_by_name

from equipose.experiments.commands.tables import tables
from equipose.experiments.commands.train import train

pytestmark = [pytest.mark.system]

STAGES = ("unihpe s0 1 pose pairs", "unihpe s0 2 image", "unihpe s0 3 decoders")
JOB = "unihpe-simulated_indoor-smoke-s0-001"


@pytest.fixture(scope="module")
def finished(ray_cluster: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of an uninterrupted job, on this process's Ray."""
    out = tmp_path_factory.mktemp("unihpe") / "out"
    shown = in_this_process(train, work="unihpe", preset="smoke", out=out)
    assert "image>pose" in shown
    return out


def table(out: Path, name: str) -> list[dict[str, str]]:
    with (out / "unihpe" / JOB / "tables" / f"{name}.csv").open() as file:
        return list(csv.DictReader(file))


def cells(out: Path) -> dict[str, Path]:
    """Loss names of a kept run -> its folder."""
    found = {}
    for folder in (out / "cells").iterdir():
        if (folder / "result.json").exists():
            config = json.loads((folder / "result.json").read_text())["config"]
            found["+".join(config["model"]["decoders"]) or "+".join(config["model"]["modalities"])] = folder
    return found


def test_every_stage_is_a_run_of_its_own(finished: Path) -> None:
    names = runs_by_name(finished)
    assert set(STAGES) <= set(names)
    assert set(cells(finished)) == {"keypoints", "image+keypoints", "pose+keypoints"}
    assert not [folder for folder in cells(finished).values() if (folder / "train").exists()]


def test_the_tables_say_all_routes_and_directions(finished: Path) -> None:
    routes = [row["route"].rpartition(": ")[2] for row in table(finished, "routes")]
    assert routes == [
        "image>pose",
        "keypoints>pose",
        "exact_keypoints>pose",
        "skeleton>pose",
        "image>keypoints",
    ]
    assert len(table(finished, "retrieval")) == 6
    report = (finished / "unihpe" / JOB / "report.html").read_text()
    assert "simulated data" in report
    assert "By chance" in report or "by chance" in report


def test_a_variant_shares_the_first_stage(finished: Path) -> None:
    before = {name: folder.stat().st_mtime for name, folder in cells(finished).items()}
    in_this_process(train, work="unihpe", preset="smoke", variant="no token", out=finished)
    kept = [folder for folder in (finished / "cells").iterdir() if (folder / "result.json").exists()]
    assert len(kept) == len(before) + 1, "only the last stage differs"


@pytest.mark.slow
def test_killed_inside_a_stage_and_resumed_it_gives_the_same_tables(finished: Path, tmp_path: Path) -> None:
    job = UnihpeProcess(tmp_path / "out")
    job.wait_for(r"2 image running")
    os.killpg(job.process.pid, signal.SIGKILL)
    job.process.wait()
    again = UnihpeProcess(tmp_path / "out", "--resume")
    assert again.ended() == 0, again.output
    assert "1 pose pairs running" not in again.output, "a finished stage is not repeated"
    for name in ("routes", "retrieval", "contributions"):
        assert table(tmp_path / "out", name) == table(finished, name)


@pytest.mark.slow
def test_two_workers_train_it_on_ray_train(tmp_path: Path) -> None:
    job = UnihpeProcess(tmp_path / "out", "--workers", "2")
    assert job.ended(900) == 0, job.output
    assert len(table(tmp_path / "out", "routes")) == 5


@pytest.mark.slow
def test_the_papers_tables_are_made_and_remade_from_what_is_kept(ray_cluster: None, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shown = in_this_process(tables, work="unihpe", preset="smoke", out=out)
    root = out / "unihpe" / "tables-simulated_indoor-smoke-001"
    assert str(root / "report.html") in shown or "report.html" in shown
    page = (root / "report.html").read_text()
    for number in range(1, 8):
        assert f"Table {number}: " in page
    assert "Simulated data" in page
    assert {path.stem for path in (root / "figures").glob("*.png")} == {
        "cosines", "retrieval", "space", "worst", "occlusion",
    }  # fmt: skip
    before = {folder: (folder / "result.json").stat().st_mtime for folder in (out / "cells").iterdir()}
    in_this_process(tables, work="unihpe", preset="smoke", out=out, contrast_last=False)
    kept = {folder: (folder / "result.json").stat().st_mtime for folder in (out / "cells").iterdir()}
    assert before.items() <= kept.items()
    assert len(kept) == len(before) + 1, "only the last stage of the pairs differs"
