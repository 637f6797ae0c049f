"""Writes simulated recordings in MM-Fi's on-disk layout, which any MM-Fi reader understands."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from equipose.models.sensors import DEFAULT_SENSORS
from equipose.pipelines.files.atomic import atomic
from equipose.pipelines.simulator.config import SimulatorConfig, environment_of, provenance_of, settings_of
from equipose.pipelines.simulator.contamination import Contamination
from equipose.pipelines.simulator.frame_files import WRITERS, write_frames
from equipose.pipelines.simulator.people.actions import motion_of
from equipose.pipelines.simulator.photos import PHOTOS, check_photos, take_photos, write_photos
from equipose.pipelines.simulator.recording import record
from equipose.pipelines.simulator.truth import write_truth

MARKER = ".equipose-simulation.json"
"""File that marks the root of a simulated tree: hidden, because MM-Fi readers take every other entry of the
root for an environment."""


def write_mmfi_tree(
    root: str | os.PathLike[str],
    *,
    subjects: Sequence[str],
    actions: Sequence[str],
    config: SimulatorConfig,
    modalities: Sequence[str] = DEFAULT_SENSORS,
    contamination: Contamination | None = None,
    progress: Callable[[str], None] | None = None,
) -> int:
    """Write `modalities` of every (subject, action) below `root`; returns how many sequences were new.

    Sequences appear complete or not at all, so an interrupted call can be repeated. `progress` gets
    `E01/S01/A01` after each. What `contamination` changes stands in a hidden file of each sequence. Raises
    ValueError if `root` holds other data.
    """
    for action in actions:
        motion_of(action)
    folders = [Path(environment_of(subject), subject, action) for subject in subjects for action in actions]
    claim_tree(root, config, modalities, contamination)
    written = 0
    for folder in folders:
        written += write_sequence(root, folder.parts[1], folder.parts[2], config, modalities, contamination)
        if progress is not None:
            progress(folder.as_posix())
    return written


def claim_tree(
    root: str | os.PathLike[str],
    config: SimulatorConfig,
    modalities: Sequence[str] = DEFAULT_SENSORS,
    contamination: Contamination | None = None,
) -> None:
    """Create `root` and its marker; ValueError if it holds anything but these sensors, so simulated."""
    known = [*WRITERS, PHOTOS]
    unknown = sorted(set(modalities) - set(known))
    if unknown or not modalities:
        raise ValueError(f"modalities: {unknown or list(modalities)}; use some of {known}")
    check_photos(tuple(modalities), config)
    if contamination is not None:
        contamination.require_recorded(tuple(modalities))
    root = Path(root)
    root.mkdir(parents=True, exist_ok=True)
    settings = settings_of(config, contamination)
    marker, claim = root / MARKER, {"provenance": provenance_of(config, contamination), "config": settings}
    if set(modalities) != set(DEFAULT_SENSORS):  # the usual four go without saying, as in earlier trees
        claim["modalities"] = sorted(modalities)
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


def write_sequence(
    root: str | os.PathLike[str],
    subject: str,
    action: str,
    config: SimulatorConfig,
    modalities: Sequence[str] = DEFAULT_SENSORS,
    contamination: Contamination | None = None,
) -> bool:
    """Write one recording to `root/E0x/Sxx/Axx` unless it exists; whether it was written."""
    environment = environment_of(subject)
    target = Path(root, environment, subject, action)
    if target.exists():
        return False
    measured = [name for name in modalities if name != PHOTOS]
    made = record(subject, action, config, measured, contamination)
    partial = Path(root, f".partial-{environment}-{subject}-{action}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    np.save(partial / "ground_truth.npy", made.pose.astype(np.float32))
    write_frames(partial, made.readings, measured)
    if PHOTOS in modalities:
        write_photos(partial, take_photos(subject, action, config))
    if made.altered is not None:
        write_truth(partial, made.altered)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial.rename(target)
    return True
