"""A sweep: Ray Tune with Optuna's TPE and ASHA, every trial a real Ray Train run, all of it resumable."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import optuna
from ray import tune
from ray.tune.integration.ray_train import TuneReportCallback
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch

from orchestrator.progress import SweepProgress
from orchestrator.runs import run_training
from orchestrator.sweep_config import OBJECTIVE, SweepConfig
from orchestrator.sweep_progress import ShowProgress, showing
from orchestrator.tracking import create_run, flatten_config
from orchestrator.workers import Tracked


@dataclass(frozen=True, kw_only=True)
class SweepPlace:
    """Where a sweep lives: folders on shared storage, the tracking server, and its parent run there."""

    root: Path
    uri: str
    experiment: str
    parent_run: str
    tags: dict[str, str]
    """Copied onto every child, because MLflow filters one level only."""

    @property
    def study_url(self) -> str:
        """SQLAlchemy URL of the Optuna storage, for optuna-dashboard."""
        return f"sqlite:///{self.root / 'optuna.db'}"

    @property
    def tune_path(self) -> Path:
        """Parent folder of the Tune experiment's state."""
        return self.root / "tune"

    @property
    def train_path(self) -> Path:
        """Folder of the trials' Ray Train runs."""
        return self.root / "train"

    def key(self, trial: str) -> str:
        """Stable identity of a trial's MLflow run, so that a resumed trial finds it again."""
        return f"{self.parent_run}/{trial}"


def run_sweep(config: SweepConfig, place: SweepPlace, progress: SweepProgress) -> tune.ResultGrid:
    """Run or resume a sweep; finished trials are never repeated, unfinished ones go on where they were."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    trainable = tune.with_resources(partial(_trial, config=config, place=place), {"CPU": 0.01})
    path = str(place.tune_path / config.name)
    with showing(progress):
        if tune.Tuner.can_restore(path):
            tuner = tune.Tuner.restore(
                path, trainable=trainable, resume_unfinished=True, restart_errored=True
            )
        else:
            tuner = tune.Tuner(
                trainable,
                tune_config=_tune_config(config, place),
                run_config=_tune_run_config(config, place),
            )
        grid = tuner.fit()
    close_orphans(config.name, place.study_url)
    return grid


def close_orphans(study_name: str, url: str) -> None:
    """Mark trials as failed that the study holds as running although the sweep has ended.

    A driver that is killed right after it has asked the study for a point forgets that trial and asks again.
    """
    study = optuna.load_study(study_name=study_name, storage=url)
    for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)


def _tune_config(config: SweepConfig, place: SweepPlace) -> tune.TuneConfig:
    search = OptunaSearch(
        space=config.space.domains(),
        metric=OBJECTIVE,
        mode="min",
        points_to_evaluate=config.enqueued(),
        sampler=optuna.samplers.TPESampler(seed=config.seed, n_startup_trials=len(config.enqueued())),
        study_name=config.name,
        storage=optuna.storages.RDBStorage(place.study_url),
    )
    scheduler = ASHAScheduler(
        time_attr="epoch",
        metric=OBJECTIVE,
        mode="min",
        max_t=config.base.epochs + 1,
        grace_period=config.grace_epochs,
        reduction_factor=3,
    )
    return tune.TuneConfig(
        search_alg=search,
        scheduler=scheduler,
        num_samples=config.trials,
        max_concurrent_trials=config.concurrency,
        trial_name_creator=_trial_name,
        trial_dirname_creator=_trial_name,
        reuse_actors=False,
    )


def _tune_run_config(config: SweepConfig, place: SweepPlace) -> tune.RunConfig:
    return tune.RunConfig(
        name=config.name,
        storage_path=str(place.tune_path),
        callbacks=[ShowProgress(config.base.epochs)],
        verbose=0,
        failure_config=tune.FailureConfig(max_failures=1),
    )


def _trial_name(trial: Any) -> str:
    """`trial-000`, `trial-001`, ... in order of creation; Tune's tag starts with a counter from 1."""
    return f"trial-{int(trial.experiment_tag.split('_')[0]) - 1:03d}"


def _trial(point: dict[str, Any], *, config: SweepConfig, place: SweepPlace) -> None:
    """What Tune runs per trial: a Ray Train run of its own, reported epoch by epoch."""
    name = tune.get_context().get_trial_name()
    run = config.run_config(point)
    run_id = create_run(
        place.uri,
        place.experiment,
        name,
        key=place.key(name),
        parent=place.parent_run,
        tags={**place.tags, "trial_id": name, "fusion": run.model.fusion, "method": "awc"},
        params=flatten_config(run, omit=("data.store",)) | {f"sweep.{k}": v for k, v in point.items()},
    )
    run_training(
        run,
        name=name,
        storage=place.train_path / config.name,
        resources=config.resources,
        tracked=Tracked(uri=place.uri, run_id=run_id, spool=str(place.root / "spool" / name)),
        callbacks=[TuneReportCallback()],
    )
