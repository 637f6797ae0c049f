"""MM-Fi on disk: `E01/S01/A01/{rgb,lidar,mmwave,wifi-csi}/frame001.*` and `ground_truth.npy`.

Layout, dtypes and known defects follow Yang et al., "MM-Fi" (NeurIPS 2023), and its public toolbox.
Trees written by the simulator look the same and are recognised by their marker file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipose.models.sensors import DEFAULT_SENSORS
from equipose.pipelines.files.bounded_json import parse_json
from equipose.pipelines.files.bounded_read import UnreadableFileError, read_bytes
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.files.path_safety import contained
from equipose.pipelines.readers.contract import check_key, name_of
from equipose.pipelines.readers.frame_files import FRAME_READERS, MAX_FRAMES, link_leaves, read_npy
from equipose.pipelines.sequence import BadFrame, Defect, RawSequence, SequenceKey
from equipose.pipelines.simulator import MARKER

FOLDERS: dict[str, tuple[str, str]] = {
    "rgb": ("rgb", ".npy"),
    "lidar": ("lidar", ".bin"),
    "mmwave": ("mmwave", ".bin"),
    "wifi": ("wifi-csi", ".mat"),
    "infra1": ("infra1", ".npy"),
    "infra2": ("infra2", ".npy"),
    "depth": ("depth", ".png"),
}
"""sensor -> (folder, file extension)."""

MAX_SEQUENCE_BYTES = 512 * 2**20
"""What the frames of one sequence may hold together; those of MM-Fi hold 30 MiB."""

MAX_MARKER_BYTES = 2**20

Entry = NDArray[np.generic] | Defect


@dataclass(frozen=True, kw_only=True)
class MmfiReader:
    """Reads an MM-Fi tree frame by frame, whatever is missing or broken in it."""

    wanted: tuple[str, ...] = DEFAULT_SENSORS
    """Sensors of the store, some of `FOLDERS`."""

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.wanted) - set(FOLDERS)):
            raise ValueError(f"sensors {unknown} are not MM-Fi's; use some of {list(FOLDERS)}")

    def sequences(self, root: str | Path) -> list[SequenceKey]:
        """Every E/S/A folder; `DataError` if there is none, or if an entry of that name is not a folder."""
        base = _checked_root(Path(root))
        keys = [
            SequenceKey(environment=e.name, subject=s.name, action=a.name)
            for e in _folders(base, r"E\d\d", base)
            for s in _folders(e, r"S\d\d", base)
            for a in _folders(s, r"A\d\d", base)
        ]
        if not keys:
            raise _not_mmfi(base)
        return sorted(keys)

    def read(self, root: str | Path, key: SequenceKey) -> RawSequence:
        """One sequence; its frames are those of the ground truth united with those of the files."""
        base = _checked_root(Path(root))
        folder = base / name_of(check_key(key))
        if not folder.is_dir() or not contained(folder, base):
            raise DataError.about(folder, field="folder", value="absent or outside the root", remedy=_LAYOUT)
        listed = {modality: _list_frames(folder, modality, base) for modality in self.wanted}
        truth = _read_truth(folder / "ground_truth.npy", base)
        numbers = _numbers(truth, listed, folder)
        source = provenance(base)
        frames = _read_frames(numbers, listed, folder)
        frames["pose"] = [_pose(truth, n) for n in numbers]
        return RawSequence(
            environment=key.environment,
            subject=key.subject,
            action=key.action,
            numbers=np.array(numbers, np.int32),
            frames=frames,
            provenance=dict.fromkeys(frames, source),
        )

    def notes(self, root: str | Path) -> tuple[str, ...]:
        """A remark if the tree was written by the simulator."""
        source = provenance(Path(root))
        return () if source == "real" else (f"{root} was written by the simulator ({source})",)

    def sensors(self, root: str | Path) -> tuple[str, ...]:
        """Those that are wanted."""
        return self.wanted

    def settings(self, root: str | Path) -> dict[str, Any]:
        """The tree's provenance and, if it is simulated, the simulator's settings."""
        return {"provenance": provenance(Path(root)), "config": _marker(Path(root)).get("config")}


_LAYOUT = "give the folder that holds E01/S01/A01/..., as MM-Fi unpacks"


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


def _checked_root(root: Path) -> Path:
    if not root.is_dir():
        found = "a file" if root.exists() else "absent"
        raise DataError.about(root, field="MM-Fi root", value=found, remedy=_LAYOUT)
    return root


def _not_mmfi(root: Path) -> DataError:
    names = sorted(os.listdir(root))
    found = f"{len(names)} entries ({', '.join(names[:4])}), no E../S../A.. folders" if names else "empty"
    return DataError.about(root, field="MM-Fi root", value=found, remedy=_LAYOUT)


def _folders(parent: Path, pattern: str, root: Path) -> Iterator[Path]:
    try:
        entries = [entry for entry in os.scandir(parent) if re.fullmatch(pattern, entry.name, re.ASCII)]
    except OSError as error:
        raise DataError.about(
            parent, field="folder", value=error.strerror, remedy="make it readable"
        ) from error
    for entry in entries:
        if link_leaves(entry, root):
            remedy = "symbolic links may not leave the root; put the data itself there"
            raise DataError.about(entry.path, field="link", value=os.readlink(entry.path), remedy=remedy)
        if not entry.is_dir():
            remedy = f"remove the file; {_LAYOUT}"
            raise DataError.about(entry.path, field="folder", value="a file", remedy=remedy)
        yield Path(entry.path)


def _list_frames(folder: Path, modality: str, root: Path) -> dict[int, Path | Defect] | Defect:
    """Frame number -> file; or the defect of the whole modality."""
    path = folder / FOLDERS[modality][0]
    if not path.exists():
        return Defect(modality=modality, frame=None, reason="missing", detail=f"no folder {path}")
    if not path.is_dir() or not contained(path, root):
        detail = f"{path} is not a folder inside the root"
        return Defect(modality=modality, frame=None, reason="unreadable", detail=detail)
    try:
        return dict(found for entry in os.scandir(path) if (found := _frame_file(entry, modality, root)))
    except OSError as error:
        detail = f"{path}: {error.strerror}"
        return Defect(modality=modality, frame=None, reason="unreadable", detail=detail)


def _frame_file(entry: os.DirEntry[str], modality: str, root: Path) -> tuple[int, Path | Defect] | None:
    """Number and path of a frame's file; a defect for a link out of the root; None for any other name."""
    match = re.fullmatch(r"frame([0-9]{3,6})", entry.name.removesuffix(FOLDERS[modality][1]))
    number = int(match[1]) if match else 0
    if not number or entry.name != _file_name(modality, number):
        return None
    if link_leaves(entry, root):
        detail = f"{entry.path} leaves the root"
        return number, Defect(modality=modality, frame=number, reason="unreadable", detail=detail)
    return number, Path(entry.path)


def _file_name(modality: str, number: int) -> str:
    return f"frame{number:03d}{FOLDERS[modality][1]}"


def _read_frames(
    numbers: list[int], listed: dict[str, dict[int, Path | Defect] | Defect], folder: Path
) -> dict[str, list[Entry]]:
    """Every numbered frame of every modality; those beyond `MAX_SEQUENCE_BYTES` are defects."""
    frames: dict[str, list[Entry]] = {modality: [] for modality in listed}
    left = MAX_SEQUENCE_BYTES
    for modality, found in listed.items():
        for number in numbers:
            entry = _read_frame(modality, number, found, folder) if left >= 0 else _too_much(modality, number)
            left -= 0 if isinstance(entry, Defect) else entry.nbytes
            frames[modality].append(_too_much(modality, number) if left < 0 else entry)
    return frames


def _too_much(modality: str, number: int) -> Defect:
    detail = f"the frames up to this one hold more than {MAX_SEQUENCE_BYTES} bytes"
    return Defect(modality=modality, frame=number, reason="unreadable", detail=detail)


def _read_frame(modality: str, number: int, found: dict[int, Path | Defect] | Defect, folder: Path) -> Entry:
    if isinstance(found, Defect):
        return found
    path = found.get(number)
    if path is None:
        detail = f"no {folder / FOLDERS[modality][0] / _file_name(modality, number)}"
        return Defect(modality=modality, frame=number, reason="missing", detail=detail)
    if isinstance(path, Defect):
        return path
    try:
        return FRAME_READERS[modality](path)
    except BadFrame as bad:
        return bad.defect(modality, number)


def _read_truth(path: Path, root: Path) -> NDArray[np.generic] | Defect:
    """Poses [F, 17, 3], or the defect that makes all of them unusable."""
    try:
        return _read_poses(path, root)
    except BadFrame as bad:
        return bad.defect("pose", None)


def _read_poses(path: Path, root: Path) -> NDArray[np.generic]:
    if not contained(path, root):
        raise BadFrame("unreadable", f"{path} leaves the root")
    poses = read_npy(path)
    if poses.ndim != 3 or not poses.size:
        raise BadFrame("shape", f"{path} is {poses.shape}, expected (F, 17, 3)")
    if len(poses) > MAX_FRAMES:
        raise BadFrame("shape", f"{path} declares {len(poses)} frames, at most {MAX_FRAMES} are read")
    return poses


def _numbers(
    truth: NDArray[np.generic] | Defect, listed: dict[str, dict[int, Path | Defect] | Defect], folder: Path
) -> list[int]:
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
