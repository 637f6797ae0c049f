"""The frame of every resumable job: claim a name, check the machine, prepare the data, say how to resume."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from equipose.experiments.jobs.preflight import stop_at_problems, wanted_by
from equipose.experiments.jobs.records import create_job, job_lock, options_path, resume_job
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
) -> None:
    """Run a new job, or with `resume` the newest unfinished one of this stem with its own options.

    check: returns the run that all others vary; raises ValueError for options that would not work. It and the
    doctor come first, so a refused job takes no name.
    run: gets the job's name, options and `out`. plan: is called instead of all that, with options and `out`.
    """
    name = None
    if resume:
        name, options = unfinished_job(options, out)
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


@contextlib.contextmanager
def running_job(name: str, options: ResumableOptions, out: Path, progress: JobProgress) -> Iterator[str]:
    """Hold the job's lock, show its progress and prepare its data; yields the store."""
    with job_lock(out, options.kind, name), progress:
        progress.stage(f"opening {options.store}" if options.store else f"preparing {options.data} data")
        yield ensure_store(options.source, out, options.simulated)
