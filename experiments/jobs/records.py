"""Names and options of jobs on disk, so that `--resume` needs no other flag.

A job is a folder `<out>/<kind>/<name>`; kinds are `sweeps`, `comparisons` and `tables`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal

from equipose.pipelines.files.atomic import atomic
from equipose.pipelines.files.bounded_json import parse_json
from equipose.pipelines.files.bounded_read import UnreadableFileError, read_bytes
from equipose.pipelines.files.locks import locked
from equipose.pipelines.files.path_safety import check_name

Kind = Literal["sweeps", "comparisons", "tables"]

DEFAULT_OUT = Path(os.environ.get("EQUIPOSE_OUT") or "equipose-out")
"""Results folder of commands without one; a cluster's nodes have `EQUIPOSE_OUT` set to a folder all see."""
OPTIONS = "job.json"
OUTCOME = "outcome.json"
MAX_BYTES = 16 * 2**20


def create_job(out: Path, kind: Kind, stem: str, options: dict[str, Any]) -> str:
    """Claim the next free name `<stem>-001`, `<stem>-002`, ... and keep the job's options there.

    Two jobs started at once get different names.
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
        _write(folder / name / OPTIONS, options)
        return name
    raise ValueError(f"{folder} holds 9999 jobs named {stem}-*; use another --out")


def resume_job(out: Path, kind: Kind, stem: str) -> tuple[str, dict[str, Any]]:
    """The newest job of this stem that has not ended or has failed trials to repeat, and its options.

    Raises ValueError when there is none.
    """
    jobs = (out / kind).glob(f"{stem}-[0-9][0-9][0-9]*/{OPTIONS}")
    for options in sorted(jobs, key=lambda path: (len(path.parent.name), path), reverse=True):
        outcome = options.parent / OUTCOME
        if not outcome.exists() or _read(outcome).get("trials_left", 0):
            return options.parent.name, _read(options)
    raise ValueError(f"no unfinished job {stem}-* in {out / kind}; run without --resume to start one")


def _read(path: Path) -> dict[str, Any]:
    """The content of a job's file; ValueError for anything but an object of at most `MAX_BYTES`."""
    try:
        found = parse_json(read_bytes(path, MAX_BYTES), nan=True)
    except (UnreadableFileError, ValueError) as error:
        found = error
    if not isinstance(found, dict):
        raise ValueError(f"{path} is no file of a job ({str(found)[:200]}); delete its folder, or mend it")
    return found


def claim_job(
    out: Path,
    kind: Kind,
    stem: str,
    options: dict[str, Any],
    *,
    resume: bool,
    check: Callable[[dict[str, Any]], object],
) -> tuple[str, dict[str, Any]]:
    """Name and options of a new job, or with `resume` of the newest unfinished one of this stem.

    check: raises ValueError for options that would not work; before a new job takes a name.
    """
    if resume:
        name, options = resume_job(out, kind, stem)
        check(options)
        return name, options
    check(options)
    return create_job(out, kind, stem, options), options


def job_lock(out: Path, kind: Kind, name: str) -> AbstractContextManager[None]:
    """Keep a job for this process; a killed one lets go by itself.

    Raises ValueError when another process works on it.
    """
    busy = f"job {name} in {out} is being worked on by another process; wait for it or stop it"
    return locked(out / kind / name / OPTIONS, busy)


def finish_job(out: Path, kind: Kind, name: str, outcome: dict[str, Any]) -> None:
    """Mark a job as ended and keep its outcome for scripts."""
    _write(out / kind / name / OUTCOME, outcome)


def resume_command(verb: str, options: dict[str, Any], out: Path) -> str:
    """What goes on with a job, to be copied."""
    return f"equipose {verb} --data {options['data']} --preset {options['preset']} --out {out} --resume"


def _write(path: Path, content: dict[str, Any]) -> None:
    """At once or not at all: half a file would keep the job from being gone on with."""
    with atomic(path) as file:
        file.write((json.dumps(content, indent=2) + "\n").encode())
