"""Runs in MLflow: their names, parameters, tags and nesting. The driver creates them, workers log to them."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from equipose.orchestrator.tracking.client import client
from equipose.orchestrator.tracking.origin import dataset_input, source_tags

KEY_TAG = "equipose.key"
"""Tag that identifies a run, so that a resumed job finds it again."""
PARENT_TAG = "mlflow.parentRunId"
MAX_PARAMS = 60
MAX_VALUE = 500
"""Characters of a parameter's value; longer ones are cut. The whole config is an artifact."""


@dataclass(frozen=True, kw_only=True)
class Tracking:
    """The MLflow run of a job, which the job's other runs become children of."""

    uri: str
    experiment: str
    parent_run: str
    tags: dict[str, str]
    """Copied onto every child, because MLflow filters one level only."""
    outbox: str
    """Folder of the job's outboxes."""


@dataclass(frozen=True, kw_only=True)
class Tracked:
    """Where a run logs to: an existing MLflow run, and the folder of its outbox."""

    uri: str
    run_id: str
    outbox: str
    hand_over: bool = False
    """Whether the run ends without waiting for the server, and leaves the rest to the job that started it."""


def _flatten(value: Any, prefix: str) -> dict[str, str]:
    if is_dataclass(value):
        items = {field.name: getattr(value, field.name) for field in fields(value)}
    elif isinstance(value, Mapping):
        items = {str(key): item for key, item in value.items()}
    elif isinstance(value, (list, tuple)):
        return {prefix: ",".join(str(item) for item in value)[:MAX_VALUE]}
    else:
        return {prefix: str(value)[:MAX_VALUE]}
    flat: dict[str, str] = {}
    for name, item in items.items():
        flat |= _flatten(item, f"{prefix}.{name}" if prefix else name)
    return flat


def flatten_config(config: object, omit: Collection[str] = ()) -> dict[str, str]:
    """A nested dataclass as flat dotted parameters, e.g. `{"method.alpha": "20000.0"}`.

    omit: dotted names, or prefixes of them, that say nothing about the science (paths, worker counts).
    Where more than `MAX_PARAMS` remain, what a config has per sensor is one parameter per sensor. Raises
    `ValueError` when that does not help.
    """
    hidden = tuple(f"{name}." for name in omit)
    flat = {
        key: value
        for key, value in _flatten(config, "").items()
        if key not in omit and not key.startswith(hidden)
    }
    if len(flat) > MAX_PARAMS:
        flat = _one_per_sensor(flat)
    if len(flat) > MAX_PARAMS:
        raise ValueError(
            f"{type(config).__name__} has {len(flat)} parameters, MLflow gets at most {MAX_PARAMS}: "
            f"omit some of {sorted(flat)}"
        )
    return flat


PER_SENSOR = re.compile(r"(.*(?:views|encoders)\.[^.]+)\.(.+)")
"""Names such as `data.batch.views.lidar.points`: group and sensor, then the field."""


def _one_per_sensor(flat: dict[str, str]) -> dict[str, str]:
    """`views.lidar.frames` and `views.lidar.points` as `views.lidar`: `frames 1, points 32`."""
    joined: dict[str, list[str]] = {}
    for name, value in flat.items():
        found = PER_SENSOR.fullmatch(name)
        joined.setdefault(found[1] if found else name, []).append(f"{found[2]} {value}" if found else value)
    return {name: ", ".join(values) for name, values in joined.items()}


def git_tags(folder: Path | None = None) -> dict[str, str]:
    """`git_sha` and `dirty` of the code in `folder` (default: this code); `unknown` without git."""
    folder = folder or Path(__file__).resolve().parent

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        status = git("status", "--porcelain", "--untracked-files=no")
        return {"git_sha": git("rev-parse", "HEAD"), "dirty": str(bool(status)).lower()}
    except (OSError, subprocess.SubprocessError):
        return {"git_sha": "unknown", "dirty": "unknown"}


def ensure_experiment(uri: str, name: str) -> str:
    """Id of the experiment `name`, created if missing, revived if deleted. Call it on the driver."""
    mlflow = client(uri)
    experiment = mlflow.get_experiment_by_name(name)
    if experiment is None:
        # Opens the page on training runs; without it the page guesses, often wrongly.
        return str(mlflow.create_experiment(name, tags={"mlflow.experimentKind": "custom_model_development"}))
    if experiment.lifecycle_stage != "active":
        mlflow.restore_experiment(experiment.experiment_id)
    return str(experiment.experiment_id)


def find_run(uri: str, experiment: str, key: str) -> str | None:
    """Id of the run of an experiment whose key tag is `key`, or None."""
    if "'" in key:
        raise ValueError(f"run key {key!r} contains a quote, which MLflow cannot search for; remove it")
    mlflow = client(uri)
    found = mlflow.get_experiment_by_name(experiment)
    if found is None:
        return None
    runs = mlflow.search_runs([found.experiment_id], f"tags.`{KEY_TAG}` = '{key}'", max_results=1)
    return str(runs[0].info.run_id) if runs else None


def create_run(
    uri: str,
    experiment: str,
    name: str,
    *,
    parent: str | None = None,
    key: str | None = None,
    tags: Mapping[str, object] | None = None,
    params: Mapping[str, object] | None = None,
) -> str:
    """Id of a new run, or of the one that already has this `key`, which is left unchanged.

    It says what started it and, where its tags name data, which (see `origin`).

    parent: run id of the sweep or comparison; a parent that has a parent itself raises `ValueError`, because
    the MLflow page draws one level. Call it on the driver: two callers with one key would make two runs.
    """
    from mlflow.entities import Param

    existing = find_run(uri, experiment, key) if key else None
    if existing:
        return existing
    mlflow = client(uri)
    all_tags = {name: str(value) for name, value in (tags or {}).items()}
    if key:
        all_tags[KEY_TAG] = key
    above = mlflow.get_run(parent).data.tags if parent else {}
    if parent:
        if PARENT_TAG in above:
            raise ValueError(f"run {parent} is a child itself; runs nest one level deep, give its own parent")
        all_tags[PARENT_TAG] = parent
    all_tags = source_tags(all_tags, above) | all_tags
    run = mlflow.create_run(ensure_experiment(uri, experiment), tags=all_tags, run_name=name)
    if params:
        values = [Param(name, str(value)) for name, value in params.items()]
        mlflow.log_batch(run.info.run_id, params=values)
    if data := dataset_input(experiment, all_tags):
        mlflow.log_inputs(run.info.run_id, datasets=[data])
    return str(run.info.run_id)


def tag_extent(tracking: Tracking, **extent: object) -> None:
    """Tag a job's run with what a later session may enlarge: unlike parameters, tags can change."""
    for name, value in extent.items():
        client(tracking.uri).set_tag(tracking.parent_run, name, value)


def end_run(uri: str, run_id: str, status: str = "FINISHED") -> None:
    """Set the final status of a run whose own logger could not, e.g. because its worker was killed."""
    client(uri).set_terminated(run_id, status)


@contextlib.contextmanager
def parent_run(
    uri: str,
    experiment: str,
    name: str,
    *,
    key: str,
    tags: Mapping[str, object],
    params: Mapping[str, object],
) -> Iterator[str]:
    """Id of the job's run, open for the block: a new one, or that of the interrupted job with this `key`.

    When the block fails, the run and every child that is still open end as FAILED, or KILLED after Ctrl-C;
    resuming the job opens them again. Otherwise the last logger of the run ends it.
    """
    run_id = create_run(uri, experiment, name, key=key, tags=tags, params=params)
    client(uri).update_run(run_id, status="RUNNING")  # an interrupted job has ended it
    try:
        yield run_id
    except BaseException as error:
        close_open_runs(uri, run_id, "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        raise


def close_open_runs(uri: str, run_id: str, status: str) -> None:
    """End a job's run and those of its children that are still running."""
    mlflow = client(uri)
    parent = mlflow.get_run(run_id)
    mine = f"tags.`{PARENT_TAG}` = '{run_id}' and attributes.status = 'RUNNING'"
    for run in [parent, *mlflow.search_runs([parent.info.experiment_id], mine)]:
        end_run(uri, run.info.run_id, status)
