"""Names, parameters, tags and nesting of runs."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field, make_dataclass
from pathlib import Path

import pytest

from equipose.orchestrator.tracking.client import client
from equipose.orchestrator.tracking.runs import (
    KEY_TAG,
    create_run,
    end_run,
    ensure_experiment,
    find_run,
    flatten_config,
    git_tags,
)
from equipose.orchestrator.tracking.server import TrackingServer
from equipose.orchestrator.tracking.ui import open_ui


@dataclass(frozen=True)
class Inner:
    alpha: float = 2e4
    layers: tuple[int, ...] = (64, 32)


@dataclass(frozen=True)
class Outer:
    lr: float = 1e-3
    method: Inner = field(default_factory=Inner)
    space: dict[str, float] = field(default_factory=lambda: {"low": 1.0})
    store: Path | None = None


def test_flat_dotted_names() -> None:
    assert flatten_config(Outer()) == {
        "lr": "0.001",
        "method.alpha": "20000.0",
        "method.layers": "64,32",
        "space.low": "1.0",
        "store": "None",
    }


def test_omitted_names_and_prefixes() -> None:
    assert set(flatten_config(Outer(), omit=["method", "store"])) == {"lr", "space.low"}


def test_too_many_parameters() -> None:
    big = make_dataclass("Big", [(f"p{i}", int, field(default=i)) for i in range(61)])
    with pytest.raises(ValueError, match="Big has 61 parameters, MLflow gets at most 60: omit"):
        flatten_config(big())
    assert len(flatten_config(big(), omit=["p60"])) == 60


def test_what_a_config_has_per_sensor_is_joined_where_it_is_too_much() -> None:
    @dataclass(frozen=True)
    class Views:
        views: dict[str, dict[str, int]]
        more: dict[str, int]

    views = {f"s{i}": {"frames": i, "points": 10 * i} for i in range(20)}
    few = flatten_config(Views(views=views, more={"a": 1}))
    assert few["views.s3.points"] == "30"
    many = flatten_config(Views(views=views, more={str(i): i for i in range(30)}))
    assert len(many) == 50
    assert many["views.s3"] == "frames 3, points 30"
    assert many["more.7"] == "7"


def test_git_tags(tmp_path: Path) -> None:
    assert git_tags(tmp_path) == {"git_sha": "unknown", "dirty": "unknown"}
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    (tmp_path / "a").write_text("1")
    for command in (["init", "-q"], ["add", "a"], [*identity, "commit", "-qm", "a"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    clean = git_tags(tmp_path)
    assert (len(clean["git_sha"]), clean["dirty"]) == (40, "false")
    (tmp_path / "a").write_text("2")
    assert git_tags(tmp_path) == clean | {"dirty": "true"}


@pytest.mark.system
def test_a_key_names_one_run(tracking: TrackingServer) -> None:
    uri = tracking.uri
    assert find_run(uri, "keys", "sweep/trial-000") is None
    run_id = create_run(uri, "keys", "trial-000", key="sweep/trial-000", tags={"seed": 3}, params={"lr": 0.1})
    assert find_run(uri, "keys", "sweep/trial-000") == run_id
    assert create_run(uri, "keys", "trial-000", key="sweep/trial-000") == run_id
    assert create_run(uri, "keys", "trial-000", key="sweep/trial-001") != run_id
    run = client(uri).get_run(run_id)
    assert run.data.params == {"lr": "0.1"}
    assert (run.data.tags["seed"], run.data.tags[KEY_TAG]) == ("3", "sweep/trial-000")
    assert run.info.artifact_uri.startswith("mlflow-artifacts:/")


@pytest.mark.system
def test_runs_nest_one_level(tracking: TrackingServer) -> None:
    parent = create_run(tracking.uri, "nesting", "sweep")
    child = create_run(tracking.uri, "nesting", "trial-000", parent=parent)
    assert client(tracking.uri).get_run(child).data.tags["mlflow.parentRunId"] == parent
    with pytest.raises(ValueError, match="nest one level deep"):
        create_run(tracking.uri, "nesting", "deeper", parent=child)
    end_run(tracking.uri, child, "KILLED")
    assert client(tracking.uri).get_run(child).info.status == "KILLED"


@pytest.mark.system
def test_deleted_experiment_is_revived(tracking: TrackingServer) -> None:
    first = ensure_experiment(tracking.uri, "revived")
    client(tracking.uri).delete_experiment(first)
    assert ensure_experiment(tracking.uri, "revived") == first
    assert client(tracking.uri).get_experiment(first).lifecycle_stage == "active"


@pytest.mark.system
def test_ui_names_every_experiment(tracking: TrackingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    experiment = ensure_experiment(tracking.uri, "shown")
    said: list[str] = []
    open_ui(tracking.directory, wait=lambda: None, say=said.append)
    assert any(f"{tracking.uri}/#/experiments/{experiment}/runs" in line for line in said)
    assert not any("/experiments/0/" in line for line in said)


def test_ui_of_an_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(ValueError, match=r"holds no mlflow\.db"):
        open_ui(tmp_path)


def test_quotes_in_keys_are_refused() -> None:
    with pytest.raises(ValueError, match="contains a quote"):
        find_run("http://127.0.0.1:1", "x", "it's")
