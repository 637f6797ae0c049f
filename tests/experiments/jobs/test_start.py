"""The frame around sweep, compare and tables: one name per job, checks first, the way on after Ctrl-C."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from equipose.experiments.cli import main
from equipose.experiments.jobs import start as job_start
from equipose.experiments.jobs.records import finish_job
from equipose.experiments.jobs.start import running_job, start_job
from equipose.experiments.presets.sizes import PRESETS
from equipose.experiments.presets.sweep import SweepOptions
from equipose.orchestrator.doctor.checks import Wanted
from equipose.orchestrator.jobs import session
from equipose.orchestrator.jobs.progress import JobProgress

NAME = "awc-simulated-smoke-001"


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[Wanted]:
    """What the jobs asked for that the doctor has looked at."""
    asked: list[Wanted] = []
    monkeypatch.setattr(job_start, "stop_at_problems", lambda out, wanted: asked.append(wanted))
    monkeypatch.setattr(session, "tracking_server", lambda out, host: nullcontext())
    return asked


def options(seed: int) -> SweepOptions:
    return SweepOptions(
        data="simulated", preset="smoke", protocol="P1", split="S1", seed=seed, workers=3, override=("a=1",)
    )


def start(out: Path, run: Callable[..., object], seed: int, **more: Any) -> None:
    check = more.pop("check", lambda _: PRESETS["paper"].train_config("", "P1", "S1", 0))
    start_job(options(seed), out, check=check, run=run, **more)


def test_a_job_gets_its_name_options_and_folder(tmp_path: Path, looked: list[Wanted]) -> None:
    ran: list[Any] = []
    start(tmp_path, lambda *arguments: ran.append(arguments), 1)
    start(tmp_path, lambda *arguments: ran.append(arguments), 2, resume=True)
    assert ran == [(NAME, options(1), tmp_path)] * 2, "as it began"
    assert [wanted.workers for wanted in looked] == [3, 3]
    assert all(wanted.worker_gib > 18 for wanted in looked), "of the run's own size"


def test_what_would_not_work_takes_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise ValueError("this would not work")

    with pytest.raises(ValueError, match="would not work"):
        start(tmp_path, pytest.fail, 1, check=refuse)
    monkeypatch.setattr(job_start, "stop_at_problems", refuse)
    with pytest.raises(ValueError, match="would not work"):
        start(tmp_path, pytest.fail, 1)
    assert not list(tmp_path.glob("sweeps/*"))


def test_jobs_are_new_or_resumed(tmp_path: Path, looked: list[Wanted]) -> None:
    def started(seed: int, *, resume: bool) -> tuple[str, int]:
        ran: list[tuple[str, int]] = []
        start(tmp_path, lambda name, chosen, _: ran.append((name[-3:], chosen.seed)), seed, resume=resume)
        return ran[0]

    assert started(1, resume=False) == ("001", 1)
    assert started(2, resume=False) == ("002", 2)
    assert started(9, resume=True) == ("002", 2), "with its own options"
    finish_job(tmp_path, "sweeps", NAME.replace("001", "002"), {})
    assert started(9, resume=True) == ("001", 1)
    assert started(3, resume=False) == ("003", 3)


def test_a_finished_job_is_extended(tmp_path: Path, looked: list[Wanted]) -> None:
    ran: list[Any] = []

    def run(name: str, chosen: SweepOptions, out: Path) -> None:
        with running_job(name, chosen, out, JobProgress(mode="quiet")):
            ran.append((name, chosen))

    start(tmp_path, run, 1)
    finish_job(tmp_path, "sweeps", NAME, {})
    start(tmp_path, run, 9, resume=True, extent=40)
    assert ran[-1] == (NAME, replace(options(1), trials=40)), "its own options, but for the trials"
    start(tmp_path, run, 9, resume=True)
    assert ran[-1] == (NAME, replace(options(1), trials=40)), "killed, it is resumed with as many"
    start(tmp_path, run, 9, resume=True, extent=40)
    finish_job(tmp_path, "sweeps", NAME, {})
    assert len(ran) == 4
    for trials in (40, 7):
        with pytest.raises(
            ValueError, match=rf"{NAME} .* 40 trials, so --trials {trials} adds none; give mo"
        ):
            start(tmp_path, pytest.fail, 9, resume=True, extent=trials)
    assert (tmp_path / "sweeps" / NAME / "outcome.json").exists(), "a refusal changes nothing"


def test_the_server_starts_while_data_is_prepared(
    tmp_path: Path, looked: list[Wanted], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared, up, left = Event(), Event(), Event()

    @contextmanager
    def server(out: Path, host: str) -> Iterator[None]:
        up.set()
        assert prepared.wait(10)
        try:
            yield
        finally:
            left.set()

    def prepare(*given: object) -> str:
        assert up.wait(10)
        prepared.set()
        return "store"

    def run(name: str, chosen: SweepOptions, out: Path) -> None:
        with running_job(name, chosen, out, JobProgress(mode="quiet")) as store:
            assert store == "store"
            assert not left.is_set()

    monkeypatch.setattr(session, "tracking_server", server)
    monkeypatch.setattr(job_start, "ensure_store", prepare)
    start(tmp_path, run, 1)
    assert left.is_set()


def test_a_plan_of_an_extension_changes_nothing(tmp_path: Path, looked: list[Wanted]) -> None:
    start(tmp_path, lambda *arguments: None, 1)
    finish_job(tmp_path, "sweeps", NAME, {})
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.json")}
    planned: list[Any] = []
    start(tmp_path, pytest.fail, 1, plan=lambda *given: planned.append(given), resume=True, extent=40)
    assert planned == [(replace(options(1), trials=40), tmp_path)]
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.json")} == before


@pytest.mark.parametrize(("verb", "grows"), [("sweep", "trials"), ("compare", "seeds"), ("tables", "seeds")])
def test_every_job_grows_by_its_option(
    verb: str, grows: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, looked: list[Wanted]
) -> None:
    ran: list[Any] = []
    module = import_module(f"equipose.experiments.commands.{verb}")
    monkeypatch.setattr(module, "run_job", lambda name, chosen, out, **_: ran.append((name, chosen)))
    main([verb, "--preset", "smoke", "--out", str(tmp_path)])
    main([verb, "--preset", "smoke", "--out", str(tmp_path), "--resume", f"--{grows}", "8"])
    (name, first), (same, second) = ran
    assert (name, getattr(second, grows)) == (same, 8)
    assert replace(second, **{grows: getattr(first, grows)}) == first


def test_options_that_cannot_be_read_are_named(tmp_path: Path, looked: list[Wanted]) -> None:
    start(tmp_path, lambda *arguments: None, 1)
    path = tmp_path / "sweeps" / NAME / "job.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"workers": "many"}))
    with pytest.raises(ValueError, match=rf"{path} .*: workers is 'many': .*integer; correct it or delete"):
        start(tmp_path, pytest.fail, 1, resume=True)


def test_after_an_interrupt_the_way_on_is_printed(
    tmp_path: Path, looked: list[Wanted], capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start(tmp_path, interrupted, 3)
    command = f"equipose sweep --data simulated --preset smoke --out {tmp_path} --resume"
    assert capsys.readouterr().out == f"resume with: {command}\n"


def test_a_plan_starts_and_checks_nothing(tmp_path: Path, looked: list[Wanted]) -> None:
    planned: list[Any] = []

    def plan(*arguments: object) -> None:
        planned.append(arguments)

    start(tmp_path, pytest.fail, 1, plan=plan)
    assert planned == [(options(1), tmp_path)]
    assert looked == []
    assert not list(tmp_path.iterdir())
    start(tmp_path, lambda *arguments: None, 4)
    start(tmp_path, pytest.fail, 1, plan=plan, resume=True)
    assert planned == [(options(1), tmp_path), (options(4), tmp_path)]
    finish_job(tmp_path, "sweeps", NAME, {})
    with pytest.raises(ValueError, match="no unfinished job"):
        start(tmp_path, pytest.fail, 1, plan=plan, resume=True)


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
