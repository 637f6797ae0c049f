"""The frame around sweep, compare and tables: one name per job, checks first, the way on after Ctrl-C."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from equipose.experiments.cli import main
from equipose.experiments.jobs import start as job_start
from equipose.experiments.jobs.records import finish_job
from equipose.experiments.jobs.start import start_job
from equipose.experiments.presets.sizes import PRESETS
from equipose.orchestrator.doctor.checks import Wanted

Start = Callable[..., None]


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[Wanted]:
    """What the jobs asked for that the doctor has looked at."""
    asked: list[Wanted] = []
    monkeypatch.setattr(job_start, "stop_at_problems", lambda out, wanted: asked.append(wanted))
    return asked


def start(out: Path, run: Callable[..., object], options: dict[str, Any], **more: Any) -> None:
    check = more.pop("check", lambda options: PRESETS["paper"].train_config("", "P1", "S1", 0))
    options = {"workers": 3, "gpu": False, **options}
    start_job(
        "sweeps", "awc", options, out, check=check, run=run, go_on=lambda o, p: f"go {o['seed']}", **more
    )


def test_a_job_gets_its_name_options_and_place(tmp_path: Path, looked: list[Wanted]) -> None:
    ran: list[Any] = []
    start(tmp_path, lambda *arguments: ran.append(arguments), {"seed": 1})
    start(tmp_path, lambda *arguments: ran.append(arguments), {"seed": 2}, resume=True)
    assert ran == [("awc-001", {"workers": 3, "gpu": False, "seed": 1}, tmp_path)] * 2, "as it began"
    assert [wanted.workers for wanted in looked] == [3, 3]
    assert all(wanted.worker_gib > 18 for wanted in looked), "of the run's own size"


def test_what_would_not_work_takes_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise ValueError("this would not work")

    with pytest.raises(ValueError, match="would not work"):
        start(tmp_path, pytest.fail, {"seed": 1}, check=refuse)
    monkeypatch.setattr(job_start, "stop_at_problems", refuse)
    with pytest.raises(ValueError, match="would not work"):
        start(tmp_path, pytest.fail, {"seed": 1})
    assert not list(tmp_path.glob("sweeps/*"))


def test_after_an_interrupt_the_way_on_is_printed(
    tmp_path: Path, looked: list[Wanted], capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start(tmp_path, interrupted, {"seed": 3})
    assert capsys.readouterr().out == "go on with: go 3\n"


def test_a_plan_starts_and_checks_nothing(tmp_path: Path, looked: list[Wanted]) -> None:
    planned: list[Any] = []

    def plan(*arguments: object) -> None:
        planned.append(arguments)

    start(tmp_path, pytest.fail, {"seed": 1}, plan=plan)
    assert [options["seed"] for options, _ in planned] == [1]
    assert looked == []
    assert not list(tmp_path.iterdir())
    start(tmp_path, lambda *arguments: None, {"seed": 4})
    start(tmp_path, pytest.fail, {"seed": 1}, plan=plan, resume=True)
    assert [options["seed"] for options, _ in planned] == [1, 4]
    finish_job(tmp_path, "sweeps", "awc-001", {})
    with pytest.raises(ValueError, match="no unfinished job"):
        start(tmp_path, pytest.fail, {"seed": 1}, plan=plan, resume=True)


@pytest.mark.parametrize("verb", ["sweep", "compare", "tables"])
def test_every_job_is_refused_by_the_doctor(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(out: Path, wanted: Wanted) -> None:
        raise ValueError(f"no room for {wanted.workers} workers")

    monkeypatch.setattr(job_start, "stop_at_problems", refuse)
    with pytest.raises(SystemExit, match="2"):
        main([verb, "--preset", "smoke", "--workers", "3", "--out", str(tmp_path / "out")])
    assert capsys.readouterr().err == "equipose: no room for 3 workers\n"
    assert not (tmp_path / "out").exists()
