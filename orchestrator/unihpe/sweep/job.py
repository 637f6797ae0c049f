"""The job: the search on the validation part, then the best and the default setting on the test part."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from equipose.orchestrator.cluster.session import SessionConfig
from equipose.orchestrator.grid.run_all import run_grid
from equipose.orchestrator.grid.run_spec import RunResult, RunSpec
from equipose.orchestrator.jobs.location import JobLocation
from equipose.orchestrator.jobs.progress import JobProgress
from equipose.orchestrator.line_sweep.job import About, OpenSweep, open_sweep
from equipose.orchestrator.line_sweep.record import record_search
from equipose.orchestrator.training.run_tags import PROJECT
from equipose.orchestrator.unihpe.record import record
from equipose.orchestrator.unihpe.results import UnihpeOutcome, collect
from equipose.orchestrator.unihpe.stages import UnihpeConfig
from equipose.orchestrator.unihpe.sweep.config import AlignSweepConfig
from equipose.orchestrator.unihpe.sweep.results import JUDGED, AlignSweep, AlignSweepOutcome, search_outcome
from equipose.orchestrator.unihpe.sweep.tables import BEST_OF, sweep_tables

TITLE = "UniHPE's alignment, searched"


@dataclass(frozen=True, kw_only=True)
class FinishedAlignSweep:
    """What a job leaves."""

    outcome: AlignSweepOutcome
    report: Path


def run_align_sweep_job(
    config: AlignSweepConfig,
    location: JobLocation,
    progress: JobProgress,
    *,
    session: SessionConfig | None = None,
    command: str = "equipose sweep --work unihpe",
) -> FinishedAlignSweep:
    """Run a sweep, or resume an interrupted one of the same name; finished stages are not repeated.

    command: what repeats the job, for the report. Raises `failures.FailedRunsError` when a tested run fails,
    `FailedSweepError` when every trial has.
    """
    dials = ",".join(dial.name for search in config.searches() for dial in search.dials)
    about = About(
        work="unihpe",
        experiment=f"{PROJECT}/{location.dataset}-{config.base.data.protocol}-aligned",
        params={"dials": dials, "judged_by": f"{JUDGED} {config.judged_by}"},
    )
    tests = 2 * len(config.job.seeds)  # of the default and the best setting, which may be the same
    progress.trials = config.total + tests
    with open_sweep(config, location, progress, about, session) as sweep:
        config = sweep.config
        found = search_outcome(config, sweep.search("trials"), sweep.provenance)
        sweep.end_trials(found)
        finals = config.finals(found.best_trial, found.values[found.best_trial])
        outcome = AlignSweepOutcome(
            search=found, test=_tested(finals, sweep), frames=_validation_frames(config, sweep)
        )
        progress.stage("tables and figures")
        record_search(found, config, sweep.location, _gains(outcome))
        report = _record(outcome, sweep, command)
    return FinishedAlignSweep(outcome=outcome, report=report)


def _tested(finals: UnihpeConfig, sweep: OpenSweep[AlignSweepConfig]) -> UnihpeOutcome:
    """Train the settings that are compared with the seeds of the test, and read the test part."""
    runs, specs = replace(sweep.runs, tracking=sweep.job.tracking), finals.specs()
    progress, length = sweep.progress, sweep.config.length
    lines = len(finals.variants) * len(finals.seeds)
    progress.trials = sweep.config.total + lines
    progress.stage(f"testing {' and '.join(finals.methods)}: {lines} runs of {length} stages")

    def show(spec: RunSpec, state: str, result: RunResult | None) -> None:
        """Without its error, which is none of those that the trials are compared by."""
        if (reached := line_state(spec, state, length)) is not None:
            progress.trial(spec.name.removesuffix(f" {len(spec.line)} {spec.stage}"), *reached, length)

    return collect(finals, run_grid(specs, runs, sweep.config.concurrency, show), runs)


def line_state(spec: RunSpec, state: str, length: int) -> tuple[str, int] | None:
    """What the state of a stage says of its line: the line's state, and the stages that it has ended.

    None where it says nothing new. state: one of `grid.run_all.OnChange`. length: stages of a line.
    """
    before = len(spec.line) - 1
    match state:
        case "waiting":
            return None if before else ("waiting", 0)
        case "kept" | "done" if before + 1 == length:
            return "done", length
        case "kept" | "done":
            return ("waiting" if state == "kept" else "running"), before + 1
        case _:
            return state, before


def _validation_frames(config: AlignSweepConfig, sweep: OpenSweep[AlignSweepConfig]) -> int:
    return len(sweep.runs.opened.of(config.base.data).rows["validation"])


def _gains(outcome: AlignSweepOutcome) -> dict[str, float]:
    """Name in MLflow -> mean gain on the test part, mm."""
    return {f"test/gain/{gain.route.replace('>', '-')}_mm": gain.mean_mm for gain in outcome.gains()}


def budget(search: AlignSweep) -> dict[str, str]:
    """What was searched and with how much, for readers."""
    config = search.config
    dials = "; ".join(dial.label for one in config.searches() for dial in one.dials)
    return {
        "searched": dials,
        "budget": f"{len(search.trials)} trials of {config.length} stages, none stopped early, one seed",
        "judged by": f"error of {JUDGED}, {config.judged_by}, on the validation part",
        "best setting": " ".join(search.overrides) or "the default one",
    }


def _record(outcome: AlignSweepOutcome, sweep: OpenSweep[AlignSweepConfig], command: str) -> Path:
    return record(
        outcome.test,
        sweep.job.tracking,
        sweep.job.folder.root,
        command,
        tables=sweep_tables(outcome),
        title=TITLE,
        text=(f"All numbers are from {outcome.search.provenance}. {BEST_OF}",),
        facts=budget(outcome.search),
    )
