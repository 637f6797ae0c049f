"""Human3.6M as work on lifting has it: poses of the room and key points of each camera, without pictures.

`data_3d_h36m.npz`: subject -> name -> [F, 32 or 17, 3] m, at 50 Hz. `data_2d_h36m_*.npz`: subject -> name ->
[F', 17, 2] px of each of the four cameras, F' >= F.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipose.models.skeleton import NUM_JOINTS
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.readers.triplets.h36m_cameras import CAMERAS, INTRINSICS, SUBJECTS, to_camera
from equipose.pipelines.readers.triplets.h36m_names import first_number, key_of, remarks, subject_of
from equipose.pipelines.readers.triplets.object_npz import kept_npz
from equipose.pipelines.sequence import POSE, Defect, RawSequence, SequenceKey
from equipose.pipelines.simulator.render.viewpoints import person_boxes

DETECTIONS = "cpn_ft_h36m_dbb"
SENSORS: tuple[str, ...] = ("keypoints", "exact_keypoints", "box", "intrinsics")
SEVENTEEN: tuple[int, ...] = (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)
"""Of the 32 joints of the recordings, those that move, in this package's order."""
MAX_FRAMES = 100_000
_REMEDY = "use the files of VideoPose3D's preparation"

Frames = list[NDArray[np.generic] | Defect]


def poses_file(root: Path) -> Path:
    """The file of 3D poses."""
    return root / "data_3d_h36m.npz"


def keypoints_file(root: Path, detections: str) -> Path:
    """A file of 2D key points."""
    return root / f"data_2d_h36m_{detections}.npz"


def files(root: Path, detections: str) -> tuple[Path, ...]:
    """All that a sequence is read from."""
    return poses_file(root), keypoints_file(root, "gt"), keypoints_file(root, detections)


def _table(path: Path, name: str) -> dict[str, dict[str, Any]]:
    """subject -> recording -> what is kept of it."""
    found = kept_npz(path, name).get(name)
    sound = isinstance(found, dict) and all(isinstance(inside, dict) for inside in found.values())
    if not sound:
        raise DataError.about(path, field=name, value=f"a {type(found).__name__}", remedy=_REMEDY)
    assert isinstance(found, dict)
    return found


def _names(root: Path) -> dict[SequenceKey, tuple[str, str]]:
    """Key of the first camera -> (subject, name) as in the file."""
    found: dict[SequenceKey, tuple[str, str]] = {}
    for who, recordings in _table(poses_file(root), "positions_3d").items():
        subject = subject_of(str(who))
        for name in recordings if subject in SUBJECTS else ():
            key = key_of(str(subject), str(name), CAMERAS[0])
            if key is not None:
                found[key] = (who, name)
    return found


def sequences(root: Path) -> list[SequenceKey]:
    """Every recording of every camera."""
    return [key._replace(camera=camera) for key in _names(root) for camera in CAMERAS]


def read(root: Path, key: SequenceKey, detections: str, sensors: tuple[str, ...]) -> RawSequence:
    """One recording of one camera."""
    who, name = _names(root)[key._replace(camera=CAMERAS[0])]
    room = _numbers(_table(poses_file(root), "positions_3d")[who][name], poses_file(root), f"{who} {name}", 3)
    room = room[:, SEVENTEEN] if room.shape[1] == 32 else room
    if room.shape[1] != NUM_JOINTS:
        raise DataError.about(poses_file(root), field=f"{who} {name}", value=room.shape, remedy=_REMEDY)
    count = len(room)
    exact = _keypoints(keypoints_file(root, "gt"), who, name, key.camera, count)
    frames: dict[str, Frames] = {POSE: list(to_camera(room, key.subject, key.camera).astype(np.float32))}
    if exact is not None:
        frames |= {"exact_keypoints": list(exact), "box": list(person_boxes(exact))}
    found = (
        exact
        if detections == "gt"
        else _keypoints(keypoints_file(root, detections), who, name, key.camera, count)
    )
    if found is not None:
        frames["keypoints"] = list(np.concatenate([found, np.ones((count, NUM_JOINTS, 1))], axis=-1))
    frames["intrinsics"] = [np.array(INTRINSICS[key.camera], np.float32)] * count
    kept = {n: rows for n, rows in frames.items() if n in {*sensors, POSE}}
    return RawSequence(
        **key._asdict(),
        numbers=np.arange(count, dtype=np.int32) + first_number(key),
        frames=kept,
        provenance=dict.fromkeys(kept, "real"),
        remarks=remarks(key.subject, name),
    )


def _numbers(found: Any, path: Path, what: str, columns: int) -> NDArray[np.float64]:
    """[F, joints, columns] of a recording."""
    sound = isinstance(found, np.ndarray) and found.dtype.kind in "fiu" and found.ndim == 3
    if not sound or found.shape[2] != columns or len(found) > MAX_FRAMES:
        shape = found.shape if isinstance(found, np.ndarray) else type(found).__name__
        value = f"{shape}, expected at most {MAX_FRAMES} frames of [joints, {columns}]"
        raise DataError.about(path, field=what, value=value, remedy=_REMEDY)
    return np.asarray(found, np.float64)


def _keypoints(path: Path, who: str, name: str, camera: str, count: int) -> NDArray[np.float64] | None:
    """[count, 17, 2] px; None where the file or the recording is absent."""
    if not path.is_file():
        return None
    each = _table(path, "positions_2d").get(who, {}).get(name)
    if each is None:
        return None
    what = f"{who} {name}"
    if not isinstance(each, (list, np.ndarray)) or len(each) != len(CAMERAS):
        raise DataError.about(path, field=what, value="not one array for each of 4 cameras", remedy=_REMEDY)
    found = _numbers(each[CAMERAS.index(camera)], path, what, 2)
    if len(found) < count or found.shape[1] != NUM_JOINTS:
        value = f"{found.shape}, expected at least {count} frames of [{NUM_JOINTS}, 2]"
        raise DataError.about(path, field=what, value=value, remedy=_REMEDY)
    return found[:count]
