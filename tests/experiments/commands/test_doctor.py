"""`equipose doctor` and `--plan` print a table and exit with a status; they start and leave nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from equipose.experiments.cli import main
from equipose.experiments.jobs.preflight import stop_at_problems
from equipose.orchestrator.cluster.machine import Machine
from equipose.orchestrator.doctor import examine as examination
from equipose.orchestrator.doctor.checks import Wanted

Say = Callable[..., tuple[int, str]]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Say:
    """(exit status, output) of `equipose ...` in an empty folder, on a machine of 2 cores and 4 GiB."""
    for name in ("RAY_ADDRESS", "RAY_AUTH_MODE", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    small = Machine(cpus=2, memory_gib=4, memory_free_gib=4, shm_free_gib=1)
    monkeypatch.setattr(examination, "this_machine", lambda: small)

    def call(*args: str) -> tuple[int, str]:
        status = 0
        try:
            main(args)
        except SystemExit as ended:
            status = int(ended.code or 0)
        return status, capsys.readouterr().out

    return call


def test_a_small_machine_is_enough(say: Say, tmp_path: Path) -> None:
    status, out = say("doctor")
    assert status == 0
    assert "fits here: 1 run at a time, each 1 worker of 1 CPUs" in out
    assert list(tmp_path.iterdir()) == []


def test_what_would_hang_is_status_1_with_the_remedy(say: Say) -> None:
    status, out = say("doctor", "--gpu", "--workers", "2", "--store", "nowhere")
    assert status == 1
    assert "0 for 2 workers with one each: the job would wait forever" in out
    assert "leave out --gpu" in out
    assert "nothing fits" in out
    assert "equipose prepare" in out


@pytest.mark.parametrize(
    ("verb", "words"),
    [
        ("sweep", "sweep of 6 trials, 2 epochs each"),
        ("compare", "comparison of 24 runs"),
    ],
)
def test_plans_start_nothing(say: Say, tmp_path: Path, verb: str, words: str) -> None:
    status, out = say(verb, "--preset", "smoke", "--plan")
    assert status == 0, out
    assert words in out
    assert "to be prepared" in out
    assert "fits here: 1 run at a time" in out
    assert list(tmp_path.iterdir()) == []
    assert say(verb, "--preset", "smoke", "--plan", "--gpu")[0] == 1


def test_a_job_that_cannot_work_is_refused_before_it_begins(say: Say, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"this would not work: GPUs: 0 for 1 worker .*leave out --gpu"):
        stop_at_problems(tmp_path, Wanted(gpu=True))
    assert say("compare", "--preset", "smoke", "--gpu")[0] == 2
    assert not (tmp_path / "equipose-out" / "comparisons").exists()


@pytest.mark.parametrize("verb", ["train", "sweep", "compare", "tables", "controlled"])
def test_every_job_checks_the_batch_against_its_workers(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([verb, "--preset", "smoke", "--workers", "3", "--out", str(tmp_path / "out")])
    err = capsys.readouterr().err
    assert "batch_size is 32, which 3 workers cannot share equally; use --workers 2" in err
    assert not (tmp_path / "out").exists()
