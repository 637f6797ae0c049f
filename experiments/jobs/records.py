"""Jobs on disk: their names, options and outcomes, so that `--resume` needs no other flag.

A job is a folder `<out>/<kind>/<name>`; kinds are `sweeps`, `comparisons` and `tables`.
"""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from equipose.orchestrator.jobs.location import JobFolder, Kind
from equipose.pipelines.files.atomic import atomic
from equipose.pipelines.files.bounded_json import parse_json
from equipose.pipelines.files.bounded_read import UnreadableFileError, read_bytes
from equipose.pipelines.files.locks import locked
from equipose.pipelines.files.path_safety import check_name

OPTIONS = "job.json"
OUTCOME = "outcome.json"
LOCK = ".lock"
MAX_BYTES = 16 * 2**20


def create_job(out: Path, kind: Kind, stem: str, options: dict[str, Any]) -> str:
    """Claim the next free name `<stem>-001`, `<stem>-002`, ... and save the job's options in its folder.

    Jobs started at the same time get different names.
    """
    folder = out / kind
    check_name(stem, "job name")
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(1, 10_000):
        try:
            (folder / f"{stem}-{number:03d}").mkdir()
        except FileExistsError:
            continue
        name = f"{stem}-{number:03d}"
        _write(options_path(out, kind, name), options)
        return name
    raise ValueError(f"{folder} holds 9999 jobs named {stem}-*; use another --out")


def resume_job(out: Path, kind: Kind, stem: str) -> tuple[str, dict[str, Any]]:
    """Name and options of the newest job of this stem that is unfinished or has failed trials to repeat.

    Raises ValueError when there is none.
    """
    for path in _newest_first(out, kind, stem):
        if not _finished(path):
            return path.parent.name, _read(path)
    raise ValueError(f"no unfinished job {stem}-* in {out / kind}; run without --resume to start one")


def newest_job(out: Path, kind: Kind, stem: str) -> tuple[str, dict[str, Any], bool]:
    """Name and options of the newest job of this stem, and whether nothing of it is left to do.

    Raises ValueError when there is none.
    """
    for path in _newest_first(out, kind, stem):
        return path.parent.name, _read(path), _finished(path)
    raise ValueError(f"no job {stem}-* in {out / kind}; run without --resume to start one")


def _newest_first(out: Path, kind: Kind, stem: str) -> list[Path]:
    """The option files of all jobs of a stem."""
    jobs = (out / kind).glob(f"{stem}-[0-9][0-9][0-9]*/{OPTIONS}")
    return sorted(jobs, key=lambda path: (len(path.parent.name), path), reverse=True)


def _finished(options: Path) -> bool:
    outcome = options.parent / OUTCOME
    return outcome.exists() and not _read(outcome).get("trials_left", 0)


def reopen_job(out: Path, kind: Kind, name: str, options: dict[str, Any]) -> None:
    """Note other options of a job, which is then unfinished; nothing changes where they are the same.

    The caller holds the job's lock.
    """
    path = options_path(out, kind, name)
    if _read(path) != options:
        path.with_name(OUTCOME).unlink(missing_ok=True)  # first: killed in between, the job can be resumed
        _write(path, options)


def _read(path: Path) -> dict[str, Any]:
    """The content of a job's file; ValueError for anything but an object of at most `MAX_BYTES`."""
    try:
        found = parse_json(read_bytes(path, MAX_BYTES), nan=True)
    except (UnreadableFileError, ValueError) as error:
        found = error
    if not isinstance(found, dict):
        raise ValueError(f"{path} is no file of a job ({str(found)[:200]}); correct it or delete its folder")
    return found


def options_path(out: Path, kind: Kind, name: str) -> Path:
    """File of a job's options."""
    return JobFolder(out=out, kind=kind, name=name).root / OPTIONS


def job_lock(out: Path, kind: Kind, name: str) -> AbstractContextManager[None]:
    """Lock a job for this process; the lock is released when the process ends, even if it is killed.

    Raises ValueError when another process holds it.
    """
    busy = f"job {name} in {out} is being worked on by another process; wait for it or stop it"
    return locked(JobFolder(out=out, kind=kind, name=name).root / LOCK, busy)


def finish_job(out: Path, kind: Kind, name: str, outcome: dict[str, Any]) -> None:
    """Mark a job as finished and save its outcome for scripts."""
    _write(JobFolder(out=out, kind=kind, name=name).root / OUTCOME, outcome)


def _write(path: Path, content: dict[str, Any]) -> None:
    """Atomically: a job with half a file could not be resumed."""
    with atomic(path) as file:
        file.write((json.dumps(content, indent=2) + "\n").encode())
