"""A comparison as a job: tune, train, test, then write and record tables and figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from equipose.orchestrator.cluster.session import SessionConfig
from equipose.orchestrator.comparison.checks import check_runs, repetition_runs
from equipose.orchestrator.comparison.config import ComparisonConfig, Setting, best_candidate
from equipose.orchestrator.comparison.judgements import Judgements
from equipose.orchestrator.comparison.record import record
from equipose.orchestrator.comparison.results import SettingOutcome, collect
from equipose.orchestrator.comparison.starts.alignment import with_alignments
from equipose.orchestrator.grid.job import GridJob, grid_job
from equipose.orchestrator.grid.run_spec import RunResult, RunSpec
from equipose.orchestrator.jobs.location import JobLocation
from equipose.orchestrator.jobs.progress import JobProgress
from equipose.orchestrator.training.config import TrainConfig
from equipose.orchestrator.training.run_tags import experiment_name

Chosen = dict[tuple[Setting, str], TrainConfig]


@dataclass(frozen=True, kw_only=True)
class ComparisonOutcome:
    """The results of a comparison, and the folder of its files."""

    settings: tuple[Judgements, ...]
    chosen: Chosen
    """(setting, method) -> the settings that tuning chose."""
    folder: Path
    """Tables and figures."""


def run_comparison_job(
    config: ComparisonConfig,
    location: JobLocation,
    progress: JobProgress,
    *,
    gpu: bool = False,
    session: SessionConfig | None = None,
) -> ComparisonOutcome:
    """Run a comparison or resume an interrupted one; finished runs are not repeated.

    Raises `failures.FailedRunsError` when runs fail; the results of the others are kept.
    """
    experiment = experiment_name(location.dataset, config.base.data)
    with grid_job(
        "comparisons", config, location, progress, experiment=experiment, gpu=gpu, session=session
    ) as job:
        outcome = tune_train_judge(config, job)
        progress.stage("tables and figures")
        record(config, outcome.settings, outcome.chosen, job.tracking, job.root)
    return outcome


def tune_train_judge(config: ComparisonConfig, job: GridJob) -> ComparisonOutcome:
    """All runs of a comparison, stage by stage, and what they say."""
    candidates = config.tuning_runs()
    tuning = [spec for specs in candidates.values() for spec in specs]
    later = [*config.final_runs(config.defaults()), *check_runs(config, config.defaults())]
    job.progress.trials = len(tuning) + len(later) + len(config.alone_runs())
    tried = job.run(with_alignments(tuning), "tuning on the validation part") if tuning else {}
    chosen = _choose(config, candidates, tried)
    specs = [*config.final_runs(chosen), *check_runs(config, chosen), *config.alone_runs()]
    results = job.run(with_alignments(specs), "training and testing")
    outcomes = collect({spec.name: spec for spec in specs}, results, job.runs)
    again = _repetition(config, chosen, outcomes)
    if again:
        job.progress.trials += len(again)
        results |= job.run(with_alignments(again), "decided verdicts again, on fresh seeds")
        specs += again
        outcomes = collect({spec.name: spec for spec in specs}, results, job.runs)
    judged = tuple(Judgements(outcome) for outcome in outcomes)
    return ComparisonOutcome(settings=judged, chosen=chosen, folder=job.root)


def _repetition(
    config: ComparisonConfig, chosen: Chosen, outcomes: tuple[SettingOutcome, ...]
) -> list[RunSpec]:
    """Runs that repeat the decided verdicts of every setting; none without checks."""
    if not config.checks:
        return []
    methods = {outcome.setting: Judgements(outcome).worth_repeating() for outcome in outcomes}
    return repetition_runs(config, chosen, methods)


def _choose(
    config: ComparisonConfig,
    candidates: dict[tuple[Setting, str], list[RunSpec]],
    tried: dict[str, RunResult],
) -> Chosen:
    """The best candidate of every method in every setting; the defaults where nothing was tuned."""
    if candidates:
        return {which: best_candidate(specs, tried) for which, specs in candidates.items()}
    return config.defaults()
