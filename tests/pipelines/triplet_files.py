"""Writes files of MPI-INF-3DHP and 3DPW from simulated triplets, for the tests of their readers."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
from PIL import Image

from equipose.models.skeleton import JOINTS
from equipose.pipelines.readers.triplets.outdoor.joints import (
    DPW_TABLE,
    MPI_17,
    MPI_28,
    OPENPOSE_18,
    SMPL_24,
)
from equipose.pipelines.simulator import SimulatorConfig
from equipose.pipelines.simulator.triplets import record_triplets, triplet_set

Arrays = dict[str, np.ndarray]
FRAMES = 6
OPTICS = (1500.0, 1500.0, 1024.0, 1024.0)
"""Of the simulated cameras outdoors: focal lengths and principal point, px."""


def filmed(which: str, subject: str, camera: str, frames: int = FRAMES) -> Arrays:
    """A simulated recording: signal -> [F, ...]."""
    raw = record_triplets(triplet_set(which), subject, "A13", camera, SimulatorConfig(frames=frames))
    return {name: np.stack([np.asarray(row) for row in rows]) for name, rows in raw.frames.items()}


def spread(values: np.ndarray, places: tuple[int, ...], joints: int) -> np.ndarray:
    """[F, joints, D] with `values` [F, 17, D] at these places, and nonsense elsewhere."""
    found = np.full((len(values), joints, values.shape[2]), 7777.0)
    found[:, places] = values
    return found


def photo(path: Path, size: tuple[int, int], middle: np.ndarray) -> None:
    """A grey picture that is white around a place (x, y, ...), px."""
    picture = np.full((size[1], size[0], 3), 90, np.uint8)
    x, y = (int(value) for value in middle[:2])
    picture[max(y - 25, 0) : y + 25, max(x - 25, 0) : x + 25] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path, quality=80)


def cells(arrays: list[np.ndarray]) -> np.ndarray:
    """As MATLAB's cell array of one column."""
    found = np.empty((len(arrays), 1), object)
    found[:, 0] = arrays
    return found


def write_mpi_training(root: Path, seen: Arrays, subject: int = 1, sequence: int = 1) -> Path:
    """`S1/Seq1` with `annot.mat` of 14 cameras, which saw alike but for 10 mm, and the calibration."""
    folder = root / f"S{subject}" / f"Seq{sequence}"
    folder.mkdir(parents=True)
    pose = spread(seen["pose"] * 1000, MPI_28, 28).reshape(-1, 84)
    pixels = spread(seen["exact_keypoints"], MPI_28, 28).reshape(-1, 56)
    table = {
        "annot2": cells([pixels] * 14),
        "annot3": cells([pose + 10 * camera for camera in range(14)]),
        "univ_annot3": cells([pose * 0.9] * 14),
        "frames": np.arange(len(pose))[:, None],
    }
    scipy.io.savemat(folder / "annot.mat", table, do_compression=True)
    lines = ["Skeletool Camera Calibration File V1.0"]
    for camera in range(14):
        fx, fy, cx, cy = np.add(OPTICS, camera)
        matrix = f"{fx} 0 {cx} 0 0 {fy} {cy} 0 0 0 1 0 0 0 0 1"
        lines += [f"name          {camera}", "  sensor      10 10", "  size        204 8", "  animated    0"]
        lines += [f"  intrinsic   {matrix} ", f"  extrinsic   {'1 ' * 16}", "  radial      0"]
    (folder / "camera.calibration").write_text("\n".join(lines) + "\n")
    return folder


def held_out_arrays(seen: Arrays, invalid: tuple[int, ...] = ()) -> Arrays:
    """What an `annot_data.mat` holds, in h5py's order of axes; `invalid`: frames from 0 of no account."""
    valid = np.ones((len(seen["pose"]), 1))
    valid[list(invalid)] = 0
    pose = spread(seen["pose"] * 1000, MPI_17, 17)[:, None]
    pixels = spread(seen["exact_keypoints"], MPI_17, 17)[:, None]
    return {"annot2": pixels, "annot3": pose, "univ_annot3": pose * 0.9, "valid_frame": valid}


def write_mpi_held_out(root: Path, seen: Arrays, number: int, invalid: tuple[int, ...] = ()) -> Path:
    """`TS1` with `annot_data.mat`, saved anew as MATLAB 5, which needs no h5py."""
    folder = root / f"TS{number}"
    folder.mkdir(parents=True)
    arrays = held_out_arrays(seen, invalid)
    scipy.io.savemat(folder / "annot_data.mat", {name: array.T for name, array in arrays.items()})
    return folder


def write_mpi_mmpose(root: Path, seen: Arrays, names: list[str], part: str = "train") -> None:
    """MMPose's tables of one recording, with cameras of a wrong height, as the real file has."""
    notes = root / "annotations"
    notes.mkdir(parents=True, exist_ok=True)
    visible = np.ones((len(seen["pose"]), 17, 1))
    pixels = seen["exact_keypoints"]
    low, high = pixels.min(1), pixels.max(1)
    columns = {
        "imgname": np.array(names),
        "center": (low + high) / 2,
        "scale": 1.2 * (high - low).max(1) / 200,
        "part": np.concatenate([spread(pixels, MPI_17, 17), visible], -1),
        "S": np.concatenate([spread(seen["pose"], MPI_17, 17), visible], -1),
    }
    np.savez(notes / f"mpi_inf_3dhp_{part}.npz", **columns)
    f, c = np.array(OPTICS[:2])[:, None], np.array(OPTICS[2:])[:, None]
    about = {names[0].rpartition("_")[0]: {"f": f, "c": c, "w": 2048, "h": 204}}
    (notes / f"cameras_{part.split('_')[0]}.pkl").write_bytes(pickle.dumps(about, 4))


def python2(value: Any) -> bytes:
    """Opcodes of protocol 2 as Python 2 wrote them: texts of bytes, NumPy by its old names."""
    if isinstance(value, dict):
        return b"}(" + b"".join(python2(k) + python2(v) for k, v in value.items()) + b"u"
    if isinstance(value, list):
        return b"](" + b"".join(map(python2, value)) + b"e"
    if isinstance(value, tuple):
        return b"(" + b"".join(map(python2, value)) + b"t"
    if isinstance(value, (str, bytes)):
        raw = value.encode() if isinstance(value, str) else value
        return b"T" + struct.pack("<i", len(raw)) + raw
    if isinstance(value, int):
        return b"J" + struct.pack("<i", value)
    array = np.ascontiguousarray(value)
    kind = python2(f"{array.dtype.kind}{array.dtype.itemsize}")
    order = b"U\x01" + (b"<" if array.dtype.itemsize > 1 else b"|")
    rest = b"J\xff\xff\xff\xff" * 2 + b"K\x00tb"
    dtype = b"cnumpy\ndtype\n(" + kind + b"K\x00K\x01tR(K\x03" + order + b"NNN" + rest
    start = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR(K\x01"
    return start + python2(array.shape) + dtype + b"\x89" + python2(array.tobytes()) + b"tb"


def dpw_content(seen: Arrays, people: int = 1) -> dict[str, Any]:
    """What a 3DPW file holds; its camera turns and moves, the second person stands 1 m deeper."""
    count = len(seen["pose"])
    angles = np.linspace(0, 1, count)
    cameras = np.tile(np.eye(4), (count, 1, 1))
    cos, sin = np.cos(angles), np.sin(angles)
    cameras[:, 0, 0], cameras[:, 0, 2], cameras[:, 2, 0], cameras[:, 2, 2] = cos, sin, -sin, cos
    cameras[:, :3, 3] = np.linspace([0, 0, 0], [1, 0.2, -0.5], count)
    joints, detected = [], []
    for person in range(people):
        pose = seen["pose"] + [0, 0, person]
        smpl = np.repeat(pose[:, :1] + np.array([0.0, 0.05, 0.0]), 24, axis=1)
        for name, index in SMPL_24.items():
            smpl[:, index] = pose[:, JOINTS.index(name)]
        world = np.einsum("nji,nkj->nki", cameras[:, :3, :3], smpl - cameras[:, None, :3, 3])
        joints.append(world.reshape(count, 72))
        points = np.zeros((count, 18, 3))
        for index in OPENPOSE_18.values():
            points[:, index] = np.append(np.full(2, 100.0 + index), 0.9)
        detected.append(points.transpose(0, 2, 1))
    fx, fy, cx, cy = seen["intrinsics"][0, 2:]
    valid = np.ones(count, np.int64)
    valid[-1] = 0
    return {
        "sequence": "street_00",
        "poses": [np.zeros((count, 72))] * people,
        "genders": ["m"] * people,
        "texture_maps": [np.zeros((4, 4, 3), np.uint8)] * people,
        "jointPositions": joints,
        "poses2d": detected,
        "campose_valid": [valid] * people,
        "cam_poses": cameras,
        "cam_intrinsics": np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]]),
    }


def write_dpw(root: Path, content: dict[str, Any], name: str = "street_00", part: str = "test") -> Path:
    """A file of 3DPW as its authors wrote it."""
    path = root / "sequenceFiles" / part / f"{name}.pkl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x80\x02" + python2(content) + b".")
    return path


def dpw_columns(seen: Arrays, names: list[str]) -> dict[str, Any]:
    """Columns of a table of 17 joints, one row for each of `names`."""
    pose = seen["pose"][: len(names)]
    root = pose[:, 0]
    relative = (pose - root[:, None])[:, DPW_TABLE]
    width, height, fx, fy, cx, cy = seen["intrinsics"][0]
    optics = {"f": np.tile([fx, fy], (len(names), 1)), "c": np.tile([cx, cy], (len(names), 1))}
    return {
        "keypoints3d17_relative": np.concatenate([relative, np.ones((len(names), 17, 1))], -1),
        "root_cam": root,
        "cam_param": np.array(optics, dtype=object),
        "image_path": np.array(names),
        "image_width": np.full(len(names), width),
        "image_height": np.full(len(names), height),
    }
