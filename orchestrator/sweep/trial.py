"""What Tune runs for each trial of a sweep: a Ray Train run, reported epoch by epoch.

Beside its workers and their barrier a trial takes one process, Tune's, in which Ray Train's controller runs
too, and which then runs the next trial. It passes the config on as text and imports neither torch nor
Optuna, which would take longer than a short trial trains.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray import tune

from equipose.orchestrator.cluster.capacity import Resources
from equipose.orchestrator.failures import FailedTrainingError, reason
from equipose.orchestrator.jobs.location import JobFolder
from equipose.orchestrator.ray_train.run import run_described
from equipose.orchestrator.sweep.tune_reports import EpochReports
from equipose.orchestrator.tracking.runs import Tracked, Tracking, create_run, flatten_config

if TYPE_CHECKING:
    from equipose.orchestrator.training.config import TrainConfig

NUMBER = "number"
"""Key of the trial's number beside the searched parameters."""
RUN = "run"
"""Key of the MLflow run that the trial logs to; its value is None if the server was away."""
CONFIG = "config"
"""Key of the text of the TrainConfig that the searched parameters give."""


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
        return self.folder.root / "train" / self.folder.name

    def key(self, trial: str) -> str:
        """Stable identity of a trial's MLflow run, so that a resumed trial finds it again."""
        return f"{self.tracking.parent_run}/{trial}"


def trial_name(number: int) -> str:
    """`trial-000`, `trial-001`, ... in the order in which the study was asked."""
    return f"trial-{number:03d}"


def searched(point: Mapping[str, Any]) -> dict[str, Any]:
    """The searched parameters of a trial's config."""
    return {name: value for name, value in point.items() if name not in (NUMBER, RUN, CONFIG)}


def run_of(name: str, config: TrainConfig, point: Mapping[str, Any], location: SweepLocation) -> str:
    """Id of a trial's MLflow run, created on the first call."""
    return create_run(
        location.tracking.uri,
        location.tracking.experiment,
        name,
        key=location.key(name),
        parent=location.tracking.parent_run,
        tags={**location.tracking.tags, "trial_id": name, "fusion": config.model.fusion, "method": "awc"},
        params=flatten_config(config, omit=("data.store",))
        | {f"sweep.{key}": value for key, value in point.items()},
    )


def run_trial(point: dict[str, Any], *, resources: Resources, location: SweepLocation) -> None:
    """Train one point to its end, or until Tune stops it."""
    name = tune.get_context().get_trial_name()
    run_id = point[RUN] or _late_run(name, point, location)
    outbox = str(location.folder.outbox / name)
    with tried_once(location.given_up / name):
        run_described(
            point[CONFIG],
            name=name,
            storage=location.train_path,
            resources=resources,
            tracked=Tracked(uri=location.tracking.uri, run_id=run_id, outbox=outbox, hand_over=True),
            callbacks=[EpochReports()],
            controller_here=True,
        )


def _late_run(name: str, point: dict[str, Any], location: SweepLocation) -> str:
    """The run of a trial whose driver could not make it."""
    from equipose.orchestrator.training.config import from_text

    return run_of(name, from_text(point[CONFIG]), searched(point), location)


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
