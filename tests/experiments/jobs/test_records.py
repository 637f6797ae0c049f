"""Job names are claimed atomically and unfinished jobs are found again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from equipose.experiments.jobs.records import (
    create_job,
    finish_job,
    job_lock,
    newest_job,
    reopen_job,
    resume_job,
)


def test_jobs_started_at_once_get_different_names(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda _: create_job(tmp_path, "sweeps", "awc", {}), range(8)))
    assert sorted(names) == [f"awc-{n:03d}" for n in range(1, 9)]


def test_resume_takes_the_newest_unfinished_job(tmp_path: Path) -> None:
    names = [create_job(tmp_path, "sweeps", "awc", {"seed": seed}) for seed in range(3)]
    finish_job(tmp_path, "sweeps", names[2], {"best": 1.0})
    assert resume_job(tmp_path, "sweeps", "awc") == (names[1], {"seed": 1})


def test_resume_without_a_job_says_so(tmp_path: Path) -> None:
    create_job(tmp_path, "sweeps", "awc-mars", {})
    with pytest.raises(ValueError, match="no unfinished job awc-quick"):
        resume_job(tmp_path, "sweeps", "awc-quick")


def test_a_job_has_one_worker_at_a_time(tmp_path: Path) -> None:
    name = create_job(tmp_path, "sweeps", "awc", {})
    with job_lock(tmp_path, "sweeps", name), pytest.raises(ValueError, match="another process"):
        job_lock(tmp_path, "sweeps", name).__enter__()
    with job_lock(tmp_path, "sweeps", name):
        pass


def test_a_job_with_failed_trials_can_go_on(tmp_path: Path) -> None:
    name = create_job(tmp_path, "sweeps", "awc", {"seed": 0})
    finish_job(tmp_path, "sweeps", name, {"trials_left": 1})
    assert resume_job(tmp_path, "sweeps", "awc") == (name, {"seed": 0})
    finish_job(tmp_path, "sweeps", name, {"trials_left": 0})
    with pytest.raises(ValueError, match="no unfinished job"):
        resume_job(tmp_path, "sweeps", "awc")


def test_the_newest_job_is_found_whether_finished_or_not(tmp_path: Path) -> None:
    first = create_job(tmp_path, "sweeps", "awc", {"seed": 0})
    assert newest_job(tmp_path, "sweeps", "awc") == (first, {"seed": 0}, False)
    finish_job(tmp_path, "sweeps", first, {"trials_left": 1})
    assert newest_job(tmp_path, "sweeps", "awc")[2] is False
    finish_job(tmp_path, "sweeps", first, {})
    assert newest_job(tmp_path, "sweeps", "awc")[2] is True
    second = create_job(tmp_path, "sweeps", "awc", {"seed": 1})
    assert newest_job(tmp_path, "sweeps", "awc") == (second, {"seed": 1}, False)
    with pytest.raises(ValueError, match="no job other"):
        newest_job(tmp_path, "sweeps", "other")


def test_a_job_with_other_options_is_unfinished_again(tmp_path: Path) -> None:
    name = create_job(tmp_path, "sweeps", "awc", {"trials": 6})
    finish_job(tmp_path, "sweeps", name, {})
    reopen_job(tmp_path, "sweeps", name, {"trials": 6})
    assert newest_job(tmp_path, "sweeps", "awc")[2] is True
    reopen_job(tmp_path, "sweeps", name, {"trials": 40})
    assert resume_job(tmp_path, "sweeps", "awc") == (name, {"trials": 40})


def test_the_lock_survives_new_options(tmp_path: Path) -> None:
    name = create_job(tmp_path, "sweeps", "awc", {"trials": 6})
    with job_lock(tmp_path, "sweeps", name):
        reopen_job(tmp_path, "sweeps", name, {"trials": 40})
        with pytest.raises(ValueError, match="another process"):
            job_lock(tmp_path, "sweeps", name).__enter__()


@pytest.mark.parametrize("content", ["[" * 10**5, "[]", "{", "\xff", "3"])
def test_damaged_job_files_are_named(tmp_path: Path, content: str) -> None:
    name = create_job(tmp_path, "sweeps", "awc", {"seed": 0})
    folder = tmp_path / "sweeps" / name
    (folder / "job.json").write_text(content, encoding="latin-1")
    with pytest.raises(ValueError, match=r"job\.json is no file of a job"):
        resume_job(tmp_path, "sweeps", "awc")
    (folder / "outcome.json").write_text(content, encoding="latin-1")
    with pytest.raises(ValueError, match=r"outcome\.json is no file of a job"):
        resume_job(tmp_path, "sweeps", "awc")
