"""No name of a job, run or artifact leaves its folder, wherever it is given."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException

from equipose.experiments.jobs.records import create_job
from equipose.orchestrator.ray_train.job import run_train_job
from equipose.orchestrator.ray_train.run import Resources
from equipose.orchestrator.sweep.config import SearchSpace, SweepConfig
from equipose.orchestrator.tracking.client import client
from equipose.orchestrator.tracking.outbox import Outbox, check_record
from equipose.orchestrator.tracking.run_logger import RunLogger
from equipose.orchestrator.tracking.runs import create_run
from equipose.orchestrator.tracking.server import TrackingServer
from equipose.orchestrator.training.config import DataConfig, TrainConfig
from equipose.pipelines.files.path_safety import check_artifact_name, check_name

HOSTILE = ["", ".", "..", "../x", "a/b", "/etc/x", "a\\b", "a\0b", "-rf", ".hidden", "a\n", "x" * 200, "Ä"]


CONFIG = TrainConfig(data=DataConfig(store="nowhere"))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_refused_everywhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"name is .*; use a letter"):
        check_name(name, "name")
    with pytest.raises(ValueError, match="name is"):
        create_job(tmp_path, "sweeps", name, {})
    with pytest.raises(ValueError, match="name is"):
        run_train_job(CONFIG, name=name, out=tmp_path / "out", dataset="x", resources=Resources())
    with pytest.raises(ValueError, match="run id is"):
        Outbox(tmp_path / "spool", name)
    with pytest.raises(ValueError, match="sweep name is"):
        replace_name(name)
    assert [path.name for path in tmp_path.iterdir()] == []


def replace_name(name: str) -> SweepConfig:
    sound = SweepConfig(
        name="awc", base=CONFIG, paper_window=1, space=SearchSpace(fusion=("concat",)), resources=Resources()
    )
    return replace(sound, name=name)


ARTIFACTS = ["", "/x", "../x", "a/../../x", "a//b", "a/", "a\\..\\b", "a\0", "%2e%2e/x", "file:x", "./a"]


@pytest.mark.parametrize("name", ARTIFACTS)
def test_artifacts_cannot_leave_their_run(name: str) -> None:
    with pytest.raises(ValueError, match="artifact name is"):
        check_artifact_name(name)
    with pytest.raises(ValueError, match="artifact name is"):
        check_record({"kind": "artifact", "file": "1", "name": name})


@pytest.mark.system
def test_the_server_itself_keeps_artifacts_inside(tracking: TrackingServer, tmp_path: Path) -> None:
    run_id = create_run(tracking.uri, "hostile", "run")
    with RunLogger(tracking.uri, run_id, tmp_path) as logger:
        with pytest.raises(ValueError, match="artifact name is"):
            logger.log_artifact("x", "../../escaped.txt")
        logger.log_artifact("x", "inside/kept.txt")
    before = set(tracking.directory.rglob("*"))
    (tmp_path / "escaped.txt").write_text("x")
    for folder in ("../..", "a/../../..", "/tmp", "%2e%2e/%2e%2e"):
        with contextlib.suppress(MlflowException, OSError):
            client(tracking.uri).log_artifact(run_id, str(tmp_path / "escaped.txt"), folder)
    inside = tracking.directory / "artifacts"
    assert all(path.is_relative_to(inside) for path in set(tracking.directory.rglob("escaped.txt")) - before)
    assert not (tracking.directory.parent / "escaped.txt").exists()
    assert not Path("/tmp/escaped.txt").exists()
