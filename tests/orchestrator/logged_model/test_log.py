"""A best checkpoint in MLflow: once, on its run and the job's, registered on request, never a failed run."""

from __future__ import annotations

from pathlib import Path

import pytest

from equipose.orchestrator.checkpoints.find import find_checkpoint
from equipose.orchestrator.host import free_port
from equipose.orchestrator.logged_model.log import LOGGED, OF_MODEL, ModelLogging, log_best_model
from equipose.orchestrator.tracking.client import client
from equipose.orchestrator.tracking.runs import create_run
from equipose.orchestrator.tracking.server import TrackingServer

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # MLflow warns of its own modules


@pytest.mark.system
def test_a_model_is_logged_once_shown_twice_and_registered(
    tracking: TrackingServer, trained_run: Path
) -> None:
    import mlflow.artifacts

    best, server = find_checkpoint(trained_run), client(tracking.uri)
    parent = create_run(tracking.uri, "models", "sweep")
    run_id = create_run(tracking.uri, "models", "trial-000", parent=parent)
    wanted = ModelLogging(register="poses")
    model_id = log_best_model(best, tracking.uri, run_id, wanted, also=(parent,))
    assert model_id is not None
    assert log_best_model(best, tracking.uri, run_id, wanted, also=(parent,)) == model_id
    for each in (run_id, parent):
        assert [item.model_id for item in server.get_run(each).outputs.model_outputs] == [model_id]
    entry = server.get_logged_model(model_id)
    assert (str(entry.status), entry.source_run_id) == ("READY", run_id)
    (version,) = server.search_model_versions("name = 'poses'")
    assert version.tags == {OF_MODEL: model_id}
    files = mlflow.artifacts.list_artifacts(artifact_uri=entry.artifact_location, tracking_uri=tracking.uri)
    assert "MLmodel" in {item.path.rpartition("/")[2] for item in files}


def test_a_server_that_is_gone_costs_a_warning(trained_run: Path, caplog: pytest.LogCaptureFixture) -> None:
    uri = f"http://127.0.0.1:{free_port('127.0.0.1')}"
    assert log_best_model(find_checkpoint(trained_run), uri, "0" * 32, LOGGED) is None
    assert "was not logged to MLflow" in caplog.text


def test_nothing_is_logged_where_nothing_is_wanted(trained_run: Path) -> None:
    assert log_best_model(trained_run, "http://127.0.0.1:1", "run", ModelLogging(log=False)) is None


@pytest.mark.parametrize("name", ["", " ", "a/b", "a:b", "it's"])
def test_names_that_the_registry_refuses_are_refused_before_training(name: str) -> None:
    with pytest.raises(ValueError, match=r"register=.*use a name without"):
        ModelLogging(register=name)


def test_registering_needs_a_logged_model() -> None:
    with pytest.raises(ValueError, match="leave out --no-log-model"):
        ModelLogging(log=False, register="poses")
