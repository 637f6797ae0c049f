"""How every resumable command begins and ends: claim the job, look at the machine, run, say how to go on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from equipose.experiments.jobs.preflight import stop_at_problems, wanted_by
from equipose.experiments.jobs.records import Kind, claim_job, resume_job

if TYPE_CHECKING:
    from equipose.orchestrator.training.config import TrainConfig

Options = dict[str, Any]


def start_job(
    kind: Kind,
    stem: str,
    options: Options,
    out: Path,
    *,
    check: Callable[[Options], TrainConfig],
    run: Callable[[str, Options, Path], object],
    go_on: Callable[[Options, Path], str],
    plan: Callable[[Options, Path], object] | None = None,
    resume: bool = False,
) -> None:
    """Run a new job, or with `resume` the newest unfinished one of this stem with the options it had.

    check: raises ValueError for options that would not work, as the doctor does, and no name is taken then;
    returns the run that all others vary.
    run: gets the job's name, options and `out`. go_on: the command that goes on with it, printed after
    Ctrl-C. plan: is called instead of all that.
    """
    if plan:
        plan(resume_job(out, kind, stem)[1] if resume else options, out)
        return

    def check_all(options: Options) -> None:
        stop_at_problems(out, wanted_by(options, check(options)))

    name, options = claim_job(out, kind, stem, options, resume=resume, check=check_all)
    try:
        run(name, options, out)
    except KeyboardInterrupt:
        print(f"go on with: {go_on(options, out)}")
        raise
