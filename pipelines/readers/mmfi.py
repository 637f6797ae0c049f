"""MM-Fi on disk: `E01/S01/A01/{rgb,lidar,mmwave,wifi-csi}/frame001.*` and `ground_truth.npy`.

Layout, dtypes and known defects follow Yang et al., "MM-Fi" (NeurIPS 2023), and its public toolbox.
Trees written by the simulator look the same and are recognised by their marker file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from equipose.models.sensors import DEFAULT_SENSORS, Points, sensor_of
from equipose.pipelines.column_order import ColumnOrder, orders_of, settings_of
from equipose.pipelines.files.bounded_json import parse_json
from equipose.pipelines.files.bounded_read import UnreadableFileError, read_bytes
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.files.path_safety import contained
from equipose.pipelines.readers.frame_files import FRAME_READERS, MAX_FRAMES, read_poses
from equipose.pipelines.readers.mmfi_formats import Entry, Files, from_one, judged
from equipose.pipelines.readers.mmfi_tree import (
    TRUTH,
    Roots,
    SensorFolder,
    checked_root,
    folder_of,
    list_frames,
    sequence_folders,
    state_of,
    unread,
)
from equipose.pipelines.readers.triplets.pictures import cut_around
from equipose.pipelines.sequence import BadFrame, Defect, RawSequence, SequenceKey
from equipose.pipelines.simulator import MARKER
from equipose.pipelines.simulator.photos import PHOTOS
from equipose.pipelines.simulator.truth import FILE as ALTERED
from equipose.pipelines.simulator.truth import read_truth

FOLDERS: dict[str, SensorFolder] = {
    "rgb": SensorFolder(name="rgb", ending=".npy"),
    "lidar": SensorFolder(name="lidar", ending=".bin"),
    "mmwave": SensorFolder(name="mmwave", ending=".bin"),
    "wifi": SensorFolder(name="wifi-csi", ending=".mat"),
    "infra1": SensorFolder(name="infra1", ending=".npy"),
    "infra2": SensorFolder(name="infra2", ending=".npy"),
    "depth": SensorFolder(name="depth", ending=".png"),
    PHOTOS: SensorFolder(name="rgb", ending=".png"),
}
"""Sensor -> its folder; that of the images and of their key points is one, as their archives unpack."""

FILTERED_RADAR = "filtered_mmwave"
"""MM-Fi's second radar folder: the same radar after its authors' filter."""

MAX_SEQUENCE_BYTES = 512 * 2**20
"""What the frames of one sequence may hold together; those of MM-Fi hold 30 MiB."""

MAX_MARKER_BYTES = 2**20


@dataclass(frozen=True, kw_only=True)
class MmfiReader:
    """Reads an MM-Fi tree frame by frame, whatever is missing or broken in it."""

    default_split: ClassVar[tuple[str, str]] = ("P1", "S1")

    wanted: tuple[str, ...] = DEFAULT_SENSORS
    """Sensors of the store, some of `FOLDERS`."""
    filtered_radar: bool = False
    """Read the radar from `filtered_mmwave` instead of `mmwave`."""
    follow_links: tuple[Path, ...] = ()
    """Folders outside the root that its symbolic links may lead into."""
    any_room: bool = False
    """Accept the subjects of MM-Fi in other rooms than MM-Fi's, for recordings of one's own."""
    axes: Mapping[str, str] = field(default_factory=dict)
    """Sensor -> what the first three columns of its points hold, if not x, y, z; see `parse_axes`."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Sensor -> the columns of its points in the order of the files, if not that of its definition."""

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.wanted) - set(FOLDERS)):
            raise ValueError(f"sensors {unknown} are not MM-Fi's; use some of {list(FOLDERS)}")
        if PHOTOS in self.wanted and "rgb" not in self.wanted:
            raise ValueError(f"sensors: {PHOTOS} is cut out around the key points of rgb; add rgb")
        _ = self.orders

    @property
    def orders(self) -> dict[str, ColumnOrder]:
        """Sensor -> how its files order the columns of its points; ValueError for options that mean none."""
        layouts = {name: sensor_of(name).layout for name in self.wanted}
        known = {name: layout.columns for name, layout in layouts.items() if isinstance(layout, Points)}
        return orders_of(known, self.axes, self.columns)

    @property
    def folders(self) -> dict[str, SensorFolder]:
        """Sensor -> the folder that it is read from."""
        chosen = {name: FOLDERS[name] for name in self.wanted}
        if self.filtered_radar and "mmwave" in chosen:
            chosen["mmwave"] = replace(chosen["mmwave"], name=FILTERED_RADAR)
        return chosen

    def sequences(self, root: str | Path) -> list[SequenceKey]:
        """Every E/S/A folder; `DataError` if there is none, or if an entry of that name is not a folder."""
        return list(sequence_folders(self._roots(root), any_room=self.any_room))

    def read(self, root: str | Path, key: SequenceKey) -> RawSequence:
        """One sequence; its frames are those of the ground truth united with those of the files."""
        roots = self._roots(root)
        folder = folder_of(key, roots)
        truth = _read_truth(folder / TRUTH, roots)
        found = {m: list_frames(folder, m, kind, roots) for m, kind in self.folders.items()}
        listed = {m: from_one(m, files, truth, self.folders[m]) for m, files in found.items()}
        numbers = _numbers(truth, listed, folder)
        source = provenance(roots.base)
        frames = _read_frames(numbers, listed, folder, self.folders)
        for name, order in self.orders.items():
            frames[name] = [e if isinstance(e, Defect) else order.apply(e) for e in frames[name]]
        frames["pose"] = [_pose(truth, n) for n in numbers]
        return RawSequence(
            environment=key.environment,
            subject=key.subject,
            action=key.action,
            numbers=np.array(numbers, np.int32),
            frames={m: judged(m, entries, listed.get(m)) for m, entries in frames.items()},
            provenance=dict.fromkeys(frames, source),
            altered=None if source == "real" or not roots.hold(folder / ALTERED) else read_truth(folder),
        )

    def state(self, root: str | Path, key: SequenceKey) -> str:
        """Names, sizes and times of the files of a sequence, as a digest."""
        roots = self._roots(root)
        return state_of(folder_of(key, roots), self.folders, roots)

    def _roots(self, root: str | Path) -> Roots:
        return Roots(base=checked_root(Path(root)), linked=self.follow_links)

    def notes(self, root: str | Path) -> tuple[str, ...]:
        """A remark if the tree was written by the simulator, and on everything that is there but not read."""
        source, roots = provenance(Path(root)), self._roots(root)
        origin = [] if source == "real" else [f"{root} was written by the simulator ({source})"]
        return (*origin, *unread(sequence_folders(roots, any_room=self.any_room), self.folders, roots))

    def sensors(self, root: str | Path) -> tuple[str, ...]:
        """Those that are wanted."""
        return self.wanted

    def settings(self, root: str | Path) -> dict[str, Any]:
        """The tree's provenance, the simulator's settings if it is simulated, and what options change."""
        radar = {"radar": FILTERED_RADAR} if self.filtered_radar else {}
        config = _marker(Path(root)).get("config")
        return {"provenance": provenance(Path(root)), "config": config, **radar, **settings_of(self.orders)}


def provenance(root: Path) -> str:
    """`simulated:<version>` for a tree with the simulator's marker file, otherwise `real`."""
    if not os.path.lexists(root / MARKER):
        return "real"
    label = _marker(root).get("provenance")
    known = isinstance(label, str) and re.fullmatch(r"simulated:[\w.]+", label)
    return str(label) if known else "simulated:unknown"


def _marker(root: Path) -> dict[str, Any]:
    """The content of the simulator's marker file; empty if there is none or it cannot be read."""
    if not contained(root / MARKER, root):
        return {}
    try:
        found = parse_json(read_bytes(root / MARKER, MAX_MARKER_BYTES))
    except (UnreadableFileError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _read_frames(
    numbers: list[int], listed: dict[str, Files], folder: Path, kinds: Mapping[str, SensorFolder]
) -> dict[str, list[Entry]]:
    """Every numbered frame of every modality; those beyond `MAX_SEQUENCE_BYTES` are defects."""
    frames: dict[str, list[Entry]] = {modality: [] for modality in listed}
    left = MAX_SEQUENCE_BYTES
    for modality, found in sorted(listed.items(), key=lambda item: item[0] == PHOTOS):  # after key points
        for row, number in enumerate(numbers):
            place = folder / kinds[modality].name / kinds[modality].file(number)
            around = frames["rgb"][row] if modality == PHOTOS else None
            late = _too_much(modality, number)
            entry = _read_frame(modality, number, found, place, around) if left >= 0 else late
            left -= 0 if isinstance(entry, Defect) else entry.nbytes
            frames[modality].append(late if left < 0 else entry)
    return frames


def _too_much(modality: str, number: int) -> Defect:
    detail = f"the frames up to this one hold more than {MAX_SEQUENCE_BYTES} bytes"
    return Defect(modality=modality, frame=number, reason="unreadable", detail=detail)


def _read_frame(modality: str, number: int, found: Files, place: Path, around: Entry | None) -> Entry:
    """One frame; `around`: the key points that an image is cut around."""
    if isinstance(found, Defect):
        return found
    path = found.get(number)
    if path is None:
        return Defect(modality=modality, frame=number, reason="missing", detail=f"no {place}")
    if isinstance(path, Defect):
        return path
    try:
        return FRAME_READERS[modality](path) if around is None else cut_around(path, around, number)
    except BadFrame as bad:
        return bad.defect(modality, number)


def _read_truth(path: Path, roots: Roots) -> NDArray[np.generic] | Defect:
    """Poses [F, 17, 3], or the defect that makes all of them unusable."""
    if not roots.hold(path):
        return Defect(modality="pose", frame=None, reason="unreadable", detail=f"{path} leaves the root")
    try:
        return read_poses(path)
    except BadFrame as bad:
        return bad.defect("pose", None)


def _numbers(truth: NDArray[np.generic] | Defect, listed: dict[str, Files], folder: Path) -> list[int]:
    """Every frame number of the ground truth or a file; DataError for more than `MAX_FRAMES`."""
    numbers = set() if isinstance(truth, Defect) else set(range(1, len(truth) + 1))
    for found in listed.values():
        numbers |= set() if isinstance(found, Defect) else set(found)
    if len(numbers) > MAX_FRAMES:
        remedy = f"at most {MAX_FRAMES} are read in one sequence; split it, or remove stray frame files"
        raise DataError.about(folder, field="number of frames", value=len(numbers), remedy=remedy)
    return sorted(numbers)


def _pose(truth: NDArray[np.generic] | Defect, number: int) -> Entry:
    if isinstance(truth, Defect):
        return truth
    if number > len(truth):
        detail = f"ground_truth.npy ends at frame {len(truth)}"
        return Defect(modality="pose", frame=number, reason="missing", detail=detail)
    return truth[number - 1]
