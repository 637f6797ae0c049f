"""Writes simulated recordings in MM-Fi's on-disk layout, which any MM-Fi reader understands."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipose.pipelines.files.atomic import atomic
from equipose.pipelines.simulator.config import SimulatorConfig, environment_of
from equipose.pipelines.simulator.observe import PROVENANCE, readings
from equipose.pipelines.simulator.people.actions import motion_of
from equipose.pipelines.simulator.people.motion import simulate_motion

Array = NDArray[np.float64]
MARKER = ".equipose-simulation.json"
"""File that marks the root of a simulated tree: hidden, because MM-Fi readers take every other entry of the
root for an environment."""


def write_mmfi_tree(
    root: str | os.PathLike[str],
    *,
    subjects: Sequence[str],
    actions: Sequence[str],
    config: SimulatorConfig,
    progress: Callable[[str], None] | None = None,
) -> int:
    """Write every (subject, action) below `root`; returns how many were new.

    Sequences appear complete or not at all, so an interrupted call can be repeated. `progress` gets
    `E01/S01/A01` after each. Raises ValueError if `root` holds other data.
    """
    for action in actions:
        motion_of(action)
    folders = [Path(environment_of(subject), subject, action) for subject in subjects for action in actions]
    claim_tree(root, config)
    written = 0
    for folder in folders:
        written += write_sequence(root, folder.parts[1], folder.parts[2], config)
        if progress is not None:
            progress(folder.as_posix())
    return written


def claim_tree(root: str | os.PathLike[str], config: SimulatorConfig) -> None:
    """Create `root` and its marker; ValueError if it holds data not simulated with this configuration."""
    root = Path(root)
    root.mkdir(parents=True, exist_ok=True)
    marker, claim = root / MARKER, {"provenance": PROVENANCE, "config": asdict(config)}
    if marker.exists():
        found = json.loads(marker.read_text())
        if found != claim:
            raise ValueError(
                f"root: {root} was simulated with {found}, not {claim}; use another folder or delete it"
            )
        return
    others = sorted(entry.name for entry in root.iterdir() if not entry.name.startswith("."))
    if others:
        raise ValueError(f"root: {root} holds {others[:5]}, which is not simulated data; use an empty folder")
    with atomic(marker) as file:
        file.write((json.dumps(claim, indent=2) + "\n").encode())


def write_sequence(root: str | os.PathLike[str], subject: str, action: str, config: SimulatorConfig) -> bool:
    """Write one recording to `root/E0x/Sxx/Axx` unless it exists; whether it was written."""
    environment = environment_of(subject)
    target = Path(root, environment, subject, action)
    if target.exists():
        return False
    pose = simulate_motion(subject, action, config)
    found = readings(pose, environment=environment, subject=subject, key=action, config=config)
    partial = Path(root, f".partial-{environment}-{subject}-{action}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    np.save(partial / "ground_truth.npy", pose.astype(np.float32))
    _write_frames(partial, found)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial.rename(target)
    return True


def _write_frames(folder: Path, found: dict[str, list[Array]]) -> None:
    """One file per sensor and frame, numbered from 1; an empty point set is a file of zero bytes."""
    from scipy.io import savemat  # slow to import, and jobs simulate without writing a tree

    for name in ("rgb", "lidar", "mmwave", "wifi-csi"):
        (folder / name).mkdir()
    for number, pixels in enumerate(found["rgb"], 1):
        np.save(folder / "rgb" / f"frame{number:03d}.npy", pixels)
    for name in ("lidar", "mmwave"):
        for number, points in enumerate(found[name], 1):
            points.astype(np.float64).tofile(folder / name / f"frame{number:03d}.bin")
    for number, (amplitude, phase) in enumerate(zip(found["wifi"], found["wifi_phase"], strict=True), 1):
        entries = {"CSIamp": amplitude, "CSIphase": phase}
        savemat(folder / "wifi-csi" / f"frame{number:03d}.mat", entries)
