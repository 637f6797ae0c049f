"""Every verb that trains refuses a sensor that the data lack, names it and the option that leaves it out."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from equipose.experiments.cli import main
from equipose.experiments.jobs import preflight, start
from equipose.experiments.jobs.preflight import stop_at_absent_sensors
from equipose.experiments.presets.sizes import PRESETS
from equipose.orchestrator.training.data import OpenedData
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.prepare import prepare
from equipose.pipelines.simulator import SimulatorConfig, write_mmfi_tree

SUBJECTS = ["S08", "S09", "S18", "S19", "S21", "S25", "S31", "S39"]
REFUSAL = "sensor lidar is invalid in every frame of"
WAY_OUT = "--sensors rgb mmwave wifi"


@pytest.fixture(scope="module")
def without_lidar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MM-Fi tree that fills every part of P1-S1, without its LiDAR folders."""
    root = tmp_path_factory.mktemp("partial") / "tree"
    config = SimulatorConfig(frames=2, radar_empty=0.0)
    write_mmfi_tree(root, subjects=SUBJECTS, actions=["A02", "A13"], config=config)
    for folder in root.glob("*/*/*/lidar"):
        shutil.rmtree(folder)
    return root


@pytest.mark.parametrize(
    ("verb", "options"),
    [
        ("train", []),
        ("sweep", []),
        ("compare", ["--protocols", "P1"]),
        ("tables", ["--columns", "P1"]),
        ("tables", ["--columns", "P1", "--plan"]),
    ],
)
def test_every_verb_refuses_it(
    verb: str,
    options: list[str],
    without_lidar: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for module in (start, preflight):  # whatever this machine lacks
        monkeypatch.setattr(module, "stop_at_problems", lambda *arguments: None)
    command = [verb, "--data", "mmfi", "--data-root", str(without_lidar), "--preset", "smoke"]
    with pytest.raises(SystemExit) as ended:
        main([*command, *options, "--out", str(tmp_path / "out")])
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert REFUSAL in said
    assert WAY_OUT in said
    assert "no folder" in said, "the cause"


def test_the_doctor_finds_it(without_lidar: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prepare("mmfi", without_lidar, tmp_path / "store")
    with pytest.raises(SystemExit, match="1"):
        main(["doctor", "--store", str(tmp_path / "store"), "--out", str(tmp_path / "out")])
    said = " ".join(capsys.readouterr().out.split())
    assert REFUSAL in said
    assert WAY_OUT in said


def test_it_is_refused_wherever_data_is_opened_and_accepted_without_the_sensor(
    without_lidar: Path, tmp_path: Path
) -> None:
    prepare("mmfi", without_lidar, tmp_path / "store")
    config = PRESETS["smoke"].train_config(str(tmp_path / "store"), "P1", "S1", 0).data
    opened = OpenedData()
    fewer = replace(config, batch=replace(config.batch, modalities=("rgb", "mmwave", "wifi")))
    assert len(opened.of(fewer).rows["train"])
    with pytest.raises(DataError, match=REFUSAL):
        opened.of(config)


def test_many_invalid_frames_are_a_warning(
    without_lidar: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = Path(shutil.copytree(without_lidar, tmp_path / "tree"))
    for file in tree.glob("*/*/*/wifi-csi/frame002.mat"):
        file.unlink()
    prepare("mmfi", tree, tmp_path / "store")
    base = PRESETS["smoke"].train_config(str(tmp_path / "store"), "P1", "S1", 0)
    sensors = ("rgb", "mmwave", "wifi")
    base = replace(
        base,
        data=replace(base.data, batch=replace(base.data.batch, modalities=sensors)),
        model=replace(base.model, modalities=sensors),
    )
    stop_at_absent_sensors(base)
    assert "warning: sensor wifi is invalid in 50% of train" in capsys.readouterr().err
