"""A sweep: Ray Tune with Optuna's TPE and ASHA; every trial is a Ray Train run; all of it is resumable."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import Any

import optuna
from ray import tune

from equipose.orchestrator.cluster.capacity import TRIAL_CPUS
from equipose.orchestrator.failures import reason
from equipose.orchestrator.jobs.progress import JobProgress
from equipose.orchestrator.sweep.asha import ProposalsOnlyASHA
from equipose.orchestrator.sweep.config import SweepConfig
from equipose.orchestrator.sweep.search import (
    StudySearch,
    keep_failures,
    open_study,
    suggest_point,
    trials_left,
)
from equipose.orchestrator.sweep.trial import (
    CONFIG,
    NUMBER,
    RUN,
    SweepLocation,
    run_of,
    run_trial,
    trial_name,
)
from equipose.orchestrator.sweep.trial_progress import ShowProgress, show_finished
from equipose.orchestrator.tracking.delivery import request_errors
from equipose.orchestrator.training.config import to_text

TRIAL_RETRIES = 1
"""How often a trial whose own process died is restarted; its training has its own retries."""


def run_sweep(config: SweepConfig, location: SweepLocation, progress: JobProgress) -> optuna.Study:
    """Run or resume a sweep; finished trials are kept, unfinished ones resume from their checkpoints.

    Returns the study, which holds the results.
    """
    study = open_study(config, location.study_database)
    show_finished(progress, study, config.base.epochs)
    left = trials_left(study, config.trials)
    if left < 1:
        return study
    trainable = partial(run_trial, resources=config.resources, location=location)
    show = ShowProgress(progress, config.base.epochs)
    failed = tune_trials(
        tune.with_resources(trainable, {"CPU": TRIAL_CPUS}),
        _tune_config(config, location, study, left),
        config.name,
        location,
        show,
    )
    keep_failures(study, failed)
    return study


def tune_trials(
    trainable: Any, config: tune.TuneConfig, name: str, location: SweepLocation, show: tune.Callback
) -> dict[str, str]:
    """Run trials with Tune until there are none left; name of a trial that failed -> why.

    trainable: what a trial runs, with the resources that it takes.
    """
    tuner = tune.Tuner(
        trainable,
        tune_config=config,
        run_config=tune.RunConfig(
            name=name,
            storage_path=str(location.tune_path),
            callbacks=[show],
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=TRIAL_RETRIES),
        ),
    )
    shutil.rmtree(location.given_up, ignore_errors=True)
    return {Path(result.path).name: _why(result.error) for result in tuner.fit() if result.error}


def _why(error: Exception | str) -> str:
    """Why a trial failed; Tune keeps only the text of some errors."""
    return reason(error if isinstance(error, Exception) else RuntimeError(error))


def _tune_config(
    config: SweepConfig, location: SweepLocation, study: optuna.Study, trials: int
) -> tune.TuneConfig:
    suggest = partial(_tracked_point, config=config, location=location)
    return tune.TuneConfig(
        search_alg=StudySearch(study, suggest, config.base.epochs),
        scheduler=ProposalsOnlyASHA(config),
        num_samples=trials,
        max_concurrent_trials=config.concurrency,
        trial_name_creator=_trial_name,
        trial_dirname_creator=_trial_name,
        reuse_actors=True,
    )


def _tracked_point(trial: optuna.Trial, *, config: SweepConfig, location: SweepLocation) -> dict[str, Any]:
    """A point of the search with its config and its MLflow run.

    Both are made here to spare the trial's process the imports. When the server is away, the trial makes the
    run itself.
    """
    point = suggest_point(trial, config.space)
    run = config.run_config(point)
    made: str | None = None
    try:
        made = run_of(trial_name(trial.number), run, point, location)
    except request_errors():
        pass
    return {**point, CONFIG: to_text(run), RUN: made}


def _trial_name(trial: Any) -> str:
    return trial_name(trial.config[NUMBER])
