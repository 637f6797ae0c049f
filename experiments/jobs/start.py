"""The frame of every resumable job: claim a name, check the machine, prepare the data, say how to resume."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from equipose.experiments.jobs.preflight import stop_at_problems, wanted_by
from equipose.experiments.jobs.records import (
    create_job,
    job_lock,
    newest_job,
    options_path,
    reopen_job,
    resume_job,
)
from equipose.experiments.presets.options import ResumableOptions
from equipose.experiments.presets.sources import ensure_store

if TYPE_CHECKING:
    from equipose.orchestrator.jobs.progress import JobProgress
    from equipose.orchestrator.training.config import TrainConfig

Options = TypeVar("Options", bound=ResumableOptions)


def start_job(
    options: Options,
    out: Path,
    *,
    check: Callable[[Options], TrainConfig],
    run: Callable[[str, Options, Path], object],
    plan: Callable[[Options, Path], object] | None = None,
    resume: bool = False,
    extent: int | None = None,
) -> None:
    """Run a new job, or with `resume` the newest unfinished one of this stem with its own options.

    extent: with `resume` the newest job, finished or not, with this number of trials or seeds.

    check: returns the run that all others vary; raises ValueError for options that would not work. It and the
    doctor come first, so a refused job takes no name.
    run: gets the job's name, options and `out`. plan: is called instead of all that, with options and `out`.
    """
    name = None
    if resume:
        found = unfinished_job(options, out) if extent is None else extended_job(options, out, extent)
        name, options = found
    if plan:
        plan(options, out)
        return
    stop_at_problems(out, wanted_by(check(options), workers=options.workers, gpu=options.gpu))
    name = name or create_job(out, options.kind, options.stem, options.to_json())
    try:
        run(name, options, out)
    except KeyboardInterrupt:
        print(f"resume with: {options.resume_command(out)}")
        raise


def unfinished_job(options: Options, out: Path) -> tuple[str, Options]:
    """Name and options of the newest unfinished job with the stem of these options.

    Raises ValueError when there is none, or when its options cannot be read.
    """
    name, plain = resume_job(out, options.kind, options.stem)
    return name, type(options).from_json(plain, options_path(out, options.kind, name))


def extended_job(options: Options, out: Path, extent: int) -> tuple[str, Options]:
    """Name of the newest job with the stem of these options, and its options with a larger extent.

    Raises ValueError when there is none, when its options cannot be read, or when it has as much already.
    """
    name, plain, finished = newest_job(out, options.kind, options.stem)
    kept = type(options).from_json(plain, options_path(out, options.kind, name))
    if extent < kept.extent or (finished and extent == kept.extent):
        state = "is finished with" if finished else "is to have"
        raise ValueError(
            f"job {name} in {out} {state} {kept.extent} {kept.grows}, so --{kept.grows} {extent} adds none; "
            f"give more, or leave out --resume to start another job"
        )
    return name, kept.with_extent(extent)


@contextlib.contextmanager
def claimed_job(name: str, options: ResumableOptions, out: Path, progress: JobProgress) -> Iterator[None]:
    """Hold the job's lock, note its options and show its progress, first of all that it prepares its data."""
    with job_lock(out, options.kind, name), progress:
        reopen_job(out, options.kind, name, options.to_json())
        progress.stage(f"opening {options.store}" if options.store else f"preparing {options.data} data")
        yield


@contextlib.contextmanager
def running_job(name: str, options: ResumableOptions, out: Path, progress: JobProgress) -> Iterator[str]:
    """A `claimed_job` whose data is prepared; yields the store. MLflow starts meanwhile."""
    from equipose.orchestrator.jobs.session import server_beside

    with claimed_job(name, options, out, progress), server_beside(out):
        yield ensure_store(options.source, out, options.simulated)
