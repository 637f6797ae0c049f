"""The MLflow run of a whole job, whose children are its trials or cells."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from equipose.orchestrator.tracking.client import client
from equipose.orchestrator.tracking.runs import PARENT_TAG, create_run, end_run


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
    going on with the job opens them again. Otherwise whoever logs to the run last ends it.
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
