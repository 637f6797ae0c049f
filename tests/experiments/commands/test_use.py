"""`equipose evaluate`, `predict` and `advise` from the command line: what they print, write and refuse."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import torch

from equipose.experiments.cli import main
from equipose.orchestrator.checkpoints.find import find_checkpoint
from equipose.orchestrator.checkpoints.trained_model import load_model
from equipose.orchestrator.evaluation import latency, model_report
from equipose.orchestrator.evaluation.poses import predicted_poses
from equipose.pipelines.prepare import prepare
from equipose.pipelines.readers.simulated import SimulatedSource
from equipose.pipelines.simulator import SimulatorConfig
from equipose.pipelines.store import open_store

Say = Callable[..., tuple[int, str, str]]


@pytest.fixture
def say(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    trained_run: Path,
    store_path: Path,
) -> Say:
    """(exit status, stdout, stderr) of `equipose ...` in a folder that holds RUN and STORE."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(latency, "ROUNDS", 1)
    (tmp_path / "RUN").symlink_to(trained_run)
    (tmp_path / "STORE").symlink_to(store_path)

    def call(*args: str) -> tuple[int, str, str]:
        status = 0
        try:
            main(args)
        except SystemExit as ended:
            status = int(ended.code or 0)
        return status, *capsys.readouterr()

    return call


def test_evaluate_then_advise(say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    monkeypatch.setattr(model_report, "write_pictures", lambda figures, _: drawn.extend(figures))
    status, out, err = say("evaluate", "RUN", "--store", "STORE", "--out", "found", "--part", "train")
    assert status == 0, err
    assert "the model was trained on 120 of these 120 frames" in err
    for words in ("sensors", "RLMW", "left knee", "A13", "E01", "simulated data", "equipose advise found"):
        assert words in out
    assert drawn == ["errors", "joints", "lattice"]
    assert {"errors.csv", "subsets.md", "about.json"} <= {
        path.name for path in (tmp_path / "found").iterdir()
    }

    status, out, err = say(
        "advise",
        "found",
        "--cost",
        "money:rgb=50,lidar=900,mmwave=100,wifi=20",
        "watts:rgb=2,lidar=8,mmwave=2,wifi=1",
    )
    assert status == 0, err
    for words in ("cost, money", "cost, watts", "ms, batch 1", "ms, batch 64", "load average"):
        assert words in out
    assert not (tmp_path / "advice").exists()


def test_advise_takes_a_run_and_writes_where_it_is_told(say: Say, tmp_path: Path) -> None:
    status, out, err = say("advise", "RUN", "--no-latency", "--out", "advice")
    assert status == 0, err
    assert "cost, sensors" in out
    assert "on the front" in (tmp_path / "advice" / "front.md").read_text()


def test_predict_writes_what_the_model_says(say: Say, tmp_path: Path) -> None:
    status, out, err = say(
        "predict", "RUN", "--store", "STORE", "--out", "two.parquet", "--sensors", "lidar", "rgb"
    )
    assert status == 0, err
    for words in ("192 poses from simulated data, sensors rgb lidar", "median", "MPJPE", "rank correlation"):
        assert words in out
    table = pl.read_parquet(tmp_path / "two.parquet")
    store = open_store(tmp_path / "STORE")
    rows = store.index["row"].to_numpy()
    assert table.equals(predicted_poses(load_model("RUN"), store, rows, sensors=("rgb", "lidar")))
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["two.parquet"]


def test_predict_with_one_sensor_has_no_doubt(say: Say, tmp_path: Path) -> None:
    status, out, _ = say("predict", "RUN", "--out", "one.parquet", "--sensors", "wifi", "--part", "test")
    assert status == 0
    assert "no doubt: it takes two sensors" in out
    assert pl.read_parquet(tmp_path / "one.parquet")["doubt_mm"].null_count() == 36


@pytest.fixture(scope="module")
def narrow_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with key points and LiDAR only, of one subject."""
    source = SimulatedSource(
        subjects=("S01",),
        actions=("A02",),
        config=SimulatorConfig(frames=4),
        sensors=("rgb", "lidar"),
    )
    folder = tmp_path_factory.mktemp("narrow") / "store"
    prepare("simulated", source, folder)
    return folder


def test_a_store_without_some_sensors(say: Say, narrow_store: Path) -> None:
    for verb in (("evaluate", "RUN"), ("advise", "RUN"), ("predict", "RUN", "--out", "p.parquet")):
        status, _, err = say(*verb, "--store", str(narrow_store))
        assert status == 2
        assert "sensors is rgb lidar, without mmwave wifi" in err
        assert len(err.strip().splitlines()) == 1
    status, out, err = say(
        "predict", "RUN", "--out", "p.parquet", "--store", str(narrow_store), "--sensors", "rgb", "lidar"
    )
    assert status == 0, err
    assert "4 poses" in out


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory, trained_run: Path) -> Path:
    """A folder of checkpoints that are none."""
    tmp_path = tmp_path_factory.mktemp("damaged")
    good = find_checkpoint(trained_run)
    whole = (good / "state.pt").read_bytes()
    for name, content in {"cut": whole[: len(whole) // 2], "empty": b"", "text": b"hello"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "state.pt").write_bytes(content)
    (tmp_path / "pickled").mkdir()
    torch.save({"format": 5, "model": Path("x")}, tmp_path / "pickled" / "state.pt")
    (tmp_path / "foreign").mkdir()
    torch.save({"state_dict": {"w": torch.zeros(2)}}, tmp_path / "foreign" / "state.pt")
    (tmp_path / "nothing").mkdir()
    shutil.copytree(good, tmp_path / "lost")
    state = torch.load(good / "state.pt", weights_only=True)
    state["config"]["data"]["store"] = "/nowhere/store"
    torch.save(state, tmp_path / "lost" / "state.pt")
    return tmp_path


@pytest.mark.parametrize(
    ("checkpoint", "message"),
    [
        ("cut", "state.pt: the checkpoint is damaged"),
        ("empty", "state.pt: the checkpoint is damaged"),
        ("text", "state.pt: the checkpoint is damaged"),
        ("pickled", "holds more than weights and plain values"),
        ("foreign", "checkpoint format None, expected"),
        ("nothing", "nothing: no checkpoint here"),
        ("absent", "absent: no checkpoint here"),
        ("lost", "the data of the training: /nowhere/store: store is missing"),
    ],
)
def test_what_is_no_checkpoint_is_one_line(
    say: Say, tmp_path: Path, damaged: Path, checkpoint: str, message: str
) -> None:
    for verb, *more in (["evaluate"], ["predict", "--out", "p.parquet"], ["advise"]):
        status, _, err = say(verb, str(damaged / checkpoint), *more)
        assert status == 2, verb
        assert err.startswith("equipose: ")
        assert message in err
        assert len(err.strip().splitlines()) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"RUN", "STORE"}, "nothing is written"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("evaluate", "RUN", "--store", "nowhere"), "nowhere: store is missing"),
        (("evaluate", "RUN", "--protocol", "P3", "--split", "S9"), "split is 'S9'"),
        (("predict", "RUN", "--out", "poses.csv"), "ends in .parquet"),
        (
            ("predict", "RUN", "--out", "p.parquet", "--sensors", "sonar"),
            "sensors sonar: name some of the model's",
        ),
        (("advise", "RUN", "--no-latency", "--cost", "rgb"), "--cost rgb: write it as"),
        (("advise", "RUN", "--no-latency", "--cost", "rgb=1"), "cost 'cost' lacks"),
    ],
)
def test_other_mistakes_are_one_line(say: Say, args: tuple[str, ...], message: str) -> None:
    status, _, err = say(*args)
    assert status == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1


IMPORTS = """
import sys
import equipose.experiments.jobs.console, equipose.experiments.jobs.trained
import equipose.orchestrator.evaluation.advice, equipose.orchestrator.evaluation.poses
print(*{name.partition(".")[0] for name in sys.modules})
"""


def test_neither_ray_nor_mlflow_is_needed() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {"equipose", "torch", "polars"} <= loaded
    assert not loaded & {"ray", "mlflow", "optuna"}
