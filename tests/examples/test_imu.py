"""The example package: a user's sensor, reader and protocol, installed, trained, compared and evaluated."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from equipose.pipelines.simulator import SimulatorConfig, observe, simulate_motion

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "imu"
SUBJECTS, ACTIONS, FRAMES = ("S01", "S02", "S03", "S04"), ("A02", "A13"), 24
PLACES = (13, 16, 6, 3)
"""Joints that carry a sensor: both wrists, both ankles."""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the example is installed, as pip installs it."""
    target = tmp_path_factory.mktemp("packages")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    copy = tmp_path_factory.mktemp("source") / "imu"
    subprocess.run(["cp", "-r", str(EXAMPLE), str(copy)], check=True)
    subprocess.run([*pip, "--target", str(target), str(copy)], check=True, timeout=120)
    return target


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CSV files of simulated people; one line of the wearable is empty, as where it lost its link."""
    root = tmp_path_factory.mktemp("wearables")
    config = SimulatorConfig(frames=FRAMES, seed=1)
    for subject in SUBJECTS:
        for action in ACTIONS:
            pose = simulate_motion(subject, action, config)
            seen = observe(
                pose, environment="E01", subject=subject, key=action, config=config, modalities=["rgb"]
            )
            velocity = np.gradient(pose[:, PLACES], 0.1, axis=0)
            readings = np.concatenate([np.gradient(velocity, 0.1, axis=0), velocity], axis=-1)
            folder = root / subject / action
            folder.mkdir(parents=True)
            for name, rows in {"imu": readings, "keypoints": np.array(seen["rgb"]), "pose": pose}.items():
                lines = [",".join(f"{value:.5f}" for value in row.ravel()) for row in rows]
                if name == "imu":
                    lines[2] = ""
                (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return root


def equipose(package: Path, *words: str, timeout: float = 280) -> str:
    paths = [str(package), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    command = [sys.executable, "-m", "equipose.experiments", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_it_is_short() -> None:
    lines = (EXAMPLE / "equipose_imu" / "__init__.py").read_text().splitlines()
    assert len(lines) < 150


@pytest.mark.slow
@pytest.mark.system
def test_it_is_found_prepared_and_trained_on_two_ray_workers(
    package: Path, recordings: Path, tmp_path: Path
) -> None:
    shown = equipose(package, "prepare", "wearables", str(recordings), "--out", str(tmp_path / "store"))
    assert "leave-one-out" in shown
    assert "imu" in shown
    options = ["--preset", "smoke", "--method", "awc", "--workers", "2", "--out", str(tmp_path / "out")]
    trained = equipose(package, "train", "--data", "wearables", "--data-root", str(recordings), *options)
    assert "validation MPJPE" in trained


@pytest.mark.slow
def test_methods_are_compared_on_it(package: Path, recordings: Path, tmp_path: Path) -> None:
    source = ["--data", "wearables", "--data-root", str(recordings)]
    options = ["--preset", "smoke", "--methods", "awc", "--seeds", "2", "--budget", "1"]
    shown = equipose(package, "compare", *source, *options, "--out", str(tmp_path / "out"))
    assert "awc" in shown
    assert "imu alone" in shown or list((tmp_path / "out").rglob("*.html"))
