"""The trials of a sweep of lines: a study per search, all of their trials in one run of Tune."""

from __future__ import annotations

from functools import partial
from typing import Any

import optuna
from ray import tune

from equipose.orchestrator.cluster.capacity import TRIAL_CPUS, Resources
from equipose.orchestrator.grid.run_one import RunsFolder
from equipose.orchestrator.jobs.progress import JobProgress
from equipose.orchestrator.line_sweep.config import LineSweep
from equipose.orchestrator.line_sweep.search import RANDOM, TurnTaking
from equipose.orchestrator.line_sweep.trial import SEARCH, run_line_trial, run_of, searched, trial_name
from equipose.orchestrator.sweep.run import tune_trials
from equipose.orchestrator.sweep.search import FINISHED, keep_failures, open_study
from equipose.orchestrator.sweep.trial import NUMBER, RUN, SweepLocation
from equipose.orchestrator.sweep.trial_progress import ShowProgress
from equipose.orchestrator.tracking.delivery import request_errors

Studies = dict[str, optuna.Study]
"""Search -> its study."""


def run_line_sweep(
    config: LineSweep, location: SweepLocation, runs: RunsFolder, progress: JobProgress
) -> Studies:
    """Run or resume a sweep: finished trials are kept, unfinished ones go on inside the run they reached.

    No trial is stopped early: what a strategy forgets shows after its last task only, and what an alignment
    is worth after its last stage.
    """
    studies = {
        one.name: open_study(one, location.study_database, RANDOM if one.dials else 0)
        for one in config.searches()
    }
    _show_finished(progress, studies, config.length)
    finish = partial(_tracked, config=config, location=location)
    turns = TurnTaking(config, studies, finish)
    if turns.left:
        trainable = partial(run_line_trial, config=config, runs=runs, location=location)
        failed = tune_trials(
            tune.with_resources(trainable, trial_resources(config.resources)),
            tune.TuneConfig(
                search_alg=turns,
                num_samples=turns.left,
                max_concurrent_trials=config.concurrency,
                trial_name_creator=_name,
                trial_dirname_creator=_name,
                reuse_actors=False,
            ),
            config.name,
            location,
            ShowProgress(progress, config.length, config.objective, searched),
        )
        for name, study in studies.items():
            mine = {trial_name(name, trial.number) for trial in study.get_trials(deepcopy=False)}
            keep_failures(study, {trial: why for trial, why in failed.items() if trial in mine})
    return studies


def trial_resources(resources: Resources) -> dict[str, float]:
    """What a trial takes; one whose runs are on Ray Train only waits for them."""
    if resources.workers > 1:
        return {"CPU": TRIAL_CPUS}
    return {"CPU": resources.cpus_per_worker, **({"GPU": 1.0} if resources.gpu else {})}


def _tracked(point: dict[str, Any], *, config: LineSweep, location: SweepLocation) -> dict[str, Any]:
    """The point with its MLflow run; when the server is away, the trial makes the run itself."""
    try:
        return {**point, RUN: run_of(point, config, location)}
    except request_errors():
        return {**point, RUN: None}


def _name(trial: Any) -> str:
    return trial_name(trial.config[SEARCH], trial.config[NUMBER])


def _show_finished(progress: JobProgress, studies: Studies, length: int) -> None:
    """Show the trials that an earlier driver finished."""
    for name, study in studies.items():
        for trial in study.get_trials(deepcopy=False, states=FINISHED):
            label = trial_name(name, trial.number)
            progress.trial(label, "done", length, length, trial.value, trial.params)
