"""A sweep: Ray Tune with Optuna's TPE and ASHA; every trial is a Ray Train run; all of it is resumable."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import optuna
from ray import tune

from equipose.orchestrator.failures import FailedTrainingError, reason
from equipose.orchestrator.jobs.location import JobFolder
from equipose.orchestrator.jobs.progress import JobProgress
from equipose.orchestrator.ray_train.run import run_training
from equipose.orchestrator.sweep.asha import ProposalsOnlyASHA
from equipose.orchestrator.sweep.config import SweepConfig
from equipose.orchestrator.sweep.search import (
    NUMBER,
    RUN,
    StudySearch,
    keep_failures,
    open_study,
    searched,
    suggest_point,
    trial_name,
    trials_left,
)
from equipose.orchestrator.sweep.trial_progress import ShowProgress, show_finished
from equipose.orchestrator.sweep.tune_reports import reported_to_tune
from equipose.orchestrator.tracking.delivery import request_errors
from equipose.orchestrator.tracking.runs import Tracked, Tracking, create_run, flatten_config

TRIAL_RETRIES = 1
"""How often a trial whose own process died is restarted; its training has its own retries."""


@dataclass(frozen=True, kw_only=True)
class SweepLocation:
    """Where a sweep lives: its folder on shared storage, and its run on the tracking server."""

    folder: JobFolder
    tracking: Tracking

    @property
    def study_database(self) -> Path:
        """SQLite file of the Optuna study, which `optuna-dashboard` opens."""
        return self.folder.root / "optuna.db"

    @property
    def tune_path(self) -> Path:
        """Parent folder of the Tune experiment's state."""
        return self.folder.root / "tune"

    @property
    def given_up(self) -> Path:
        """Folder with a file for every trial whose training was given up, which says why."""
        return self.folder.root / "given-up"

    @property
    def train_path(self) -> Path:
        """Folder of the trials' Ray Train runs."""
        return self.folder.root / "train"

    def key(self, trial: str) -> str:
        """Stable identity of a trial's MLflow run, so that a resumed trial finds it again."""
        return f"{self.tracking.parent_run}/{trial}"


def run_sweep(config: SweepConfig, location: SweepLocation, progress: JobProgress) -> optuna.Study:
    """Run or resume a sweep; finished trials are kept, unfinished ones resume from their checkpoints.

    Returns the study, which holds the results.
    """
    study = open_study(config, location.study_database)
    show_finished(progress, study, config.base.epochs)
    left = trials_left(study, config.trials)
    if left < 1:
        return study
    trainable = tune.with_resources(partial(_trial, config=config, location=location), {"CPU": 0.01})
    tuner = tune.Tuner(
        trainable,
        tune_config=_tune_config(config, location, study, left),
        run_config=tune.RunConfig(
            name=config.name,
            storage_path=str(location.tune_path),
            callbacks=[ShowProgress(progress, config.base.epochs)],
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=TRIAL_RETRIES),
        ),
    )
    shutil.rmtree(location.given_up, ignore_errors=True)
    results = tuner.fit()
    keep_failures(study, {Path(result.path).name: _why(result.error) for result in results if result.error})
    return study


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
        reuse_actors=False,
    )


def _tracked_point(trial: optuna.Trial, *, config: SweepConfig, location: SweepLocation) -> dict[str, Any]:
    """A point of the search with its MLflow run, made here to spare the trial's process the import of MLflow.

    When the server is away, the trial makes the run itself.
    """
    point = suggest_point(trial, config.space)
    try:
        return {**point, RUN: _run_of(trial_name(trial.number), point, config, location)}
    except request_errors():
        return {**point, RUN: None}


def _run_of(name: str, point: dict[str, Any], config: SweepConfig, location: SweepLocation) -> str:
    """Id of a trial's MLflow run, created on the first call."""
    run = config.run_config(point)
    return create_run(
        location.tracking.uri,
        location.tracking.experiment,
        name,
        key=location.key(name),
        parent=location.tracking.parent_run,
        tags={**location.tracking.tags, "trial_id": name, "fusion": run.model.fusion, "method": "awc"},
        params=flatten_config(run, omit=("data.store",))
        | {f"sweep.{key}": value for key, value in point.items()},
    )


def _trial_name(trial: Any) -> str:
    return trial_name(trial.config[NUMBER])


def _trial(point: dict[str, Any], *, config: SweepConfig, location: SweepLocation) -> None:
    """What Tune runs for each trial: a Ray Train run, reported epoch by epoch."""
    name = tune.get_context().get_trial_name()
    run_id = point[RUN] or _run_of(name, searched(point), config, location)
    outbox = str(location.folder.outbox / name)
    with tried_once(location.given_up / name), reported_to_tune() as reports:
        run_training(
            config.run_config(searched(point)),
            name=name,
            storage=location.train_path / config.name,
            resources=config.resources,
            tracked=Tracked(uri=location.tracking.uri, run_id=run_id, outbox=outbox, hand_over=True),
            callbacks=[reports],
        )


@contextlib.contextmanager
def tried_once(note: Path) -> Iterator[None]:
    """Training that is given up within the block is not repeated: the next block raises the same reason.

    Tune restarts every failed trial once, whatever the error.
    """
    if note.exists():
        raise FailedTrainingError(note.read_text())
    try:
        yield
    except FailedTrainingError as error:
        if error.lasting:
            note.parent.mkdir(exist_ok=True)
            note.write_text(reason(error))
        raise
