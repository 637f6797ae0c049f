"""Where a run comes from: what started it, and on which data."""

from __future__ import annotations

import json

import pytest

from equipose.orchestrator.tracking.client import client
from equipose.orchestrator.tracking.origin import dataset_input, source_name, source_tags
from equipose.orchestrator.tracking.runs import create_run
from equipose.orchestrator.tracking.server import TrackingServer

TAGS = {"fingerprint": "0123456789abcdef", "provenance": "simulated data", "protocol": "P1", "split": "S2"}


@pytest.mark.parametrize(
    ("args", "name"),
    [
        (["/venv/bin/equipose", "train", "--seed", "3"], "equipose train"),
        (["/x/experiments/__main__.py", "sweep"], "equipose sweep"),
        (["/venv/bin/equipose", "--version"], "equipose"),
        (["experiments/awc_sweep.py", "--trials", "3"], "awc_sweep.py"),
        ([""], "python"),
        ([], "python"),
    ],
)
def test_the_source_is_what_was_started(args: list[str], name: str) -> None:
    assert source_name(args) == name


def test_a_child_has_the_source_of_its_parent() -> None:
    own = source_tags({"git_sha": "a" * 40}, {})
    assert own["mlflow.source.git.commit"] == "a" * 40
    assert own["mlflow.source.name"] == source_name()
    above = {**own, "mlflow.source.name": "equipose compare"}
    assert source_tags({}, above) == above
    assert "mlflow.source.git.commit" not in source_tags({"git_sha": "unknown"}, {})


def test_data_is_named_by_its_fingerprint() -> None:
    found = dataset_input("equipose/mars-P1-S2", TAGS)
    assert found is not None
    assert (found.dataset.name, found.dataset.digest) == ("mars-P1-S2", "0123456789abcdef")
    assert json.loads(found.dataset.source)["provenance"] == "simulated data"
    assert found.tags[0].value == "training on simulated data"
    assert dataset_input("equipose/mars-P1-S2", {"seed": "3"}) is None


@pytest.mark.system
def test_runs_name_source_and_data(tracking: TrackingServer) -> None:
    parent = create_run(tracking.uri, "equipose/mars-P1-S2", "job", tags=TAGS)
    child = create_run(tracking.uri, "equipose/mars-P1-S2", "trial", parent=parent, tags=TAGS)
    for run_id in (parent, child):
        run = client(tracking.uri).get_run(run_id)
        assert run.data.tags["mlflow.source.name"] == source_name()
        assert [item.dataset.digest for item in run.inputs.dataset_inputs] == [TAGS["fingerprint"]]
