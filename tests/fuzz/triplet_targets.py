"""What is fuzzed of image, 2D and 3D triplets; loaded after `targets`, whose names it shares."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np
import scipy.io
from targets import Target, through

from equipose.pipelines.images import decode_photo, encode
from equipose.pipelines.readers.triplets.object_npz import read_npz
from equipose.pipelines.readers.triplets.outdoor import dpw_pickles, mpi_files
from equipose.pipelines.readers.triplets.picture_folder import boxed_pictures
from equipose.pipelines.readers.triplets.plain_pickle import load_plain


def triplet_targets(folder: Path) -> dict[str, Target]:
    """Files of image, 2D and 3D triplets."""
    rng = np.random.default_rng(1)
    pickled = {"S1": {"Walking": rng.normal(size=(2, 17, 3)), "Walking 1": [np.ones((1, 2)), "a", 1.5]}}
    photo = rng.integers(0, 255, (24, 16, 3), np.uint8)
    archive = folder / "objects.npz"
    (folder / "photo.png").write_bytes(encode(photo))
    np.savez(archive, positions_3d=np.array(pickled, dtype=object))
    return {
        "pickle": Target(
            seeds=tuple(pickle.dumps(pickled, protocol) for protocol in (2, 4)), read=load_plain
        ),
        "npz of objects": Target(
            seeds=(archive.read_bytes(),),
            read=through(archive, lambda path: read_npz(path, ["positions_3d"])),
        ),
        "photo": Target(seeds=(encode(photo, "jpeg"), encode(photo)), read=decode_photo),
        "boxes": Target(
            seeds=(b"file,centre_x,centre_y,side\nphoto.png,12,8,20.5\n",),
            read=through(folder / "boxes.csv", lambda path: boxed_pictures(folder, path)),
        ),
        **outdoor_targets(folder),
    }


def outdoor_targets(folder: Path) -> dict[str, Target]:
    """Files of MPI-INF-3DHP and 3DPW."""
    rng, frames = np.random.default_rng(2), 3
    cells = np.empty((14, 1), object)
    cells[:, 0] = [rng.normal(size=(frames, 84)) for _ in range(14)]
    file = io.BytesIO()
    scipy.io.savemat(file, {"annot2": _narrow(cells), "annot3": cells}, do_compression=True)
    calibration = "".join(f"name {c}\n intrinsic {'9 ' * 16}\n" for c in range(14)).encode()
    street = {
        "jointPositions": [rng.normal(size=(frames, 72))], "poses2d": [rng.normal(size=(frames, 3, 18))],
        "campose_valid": [np.ones(frames)], "cam_poses": np.tile(np.eye(4), (frames, 1, 1)),
        "cam_intrinsics": np.array([[1960.0, 0, 540], [0, 1960, 960], [0, 0, 1]]),
    }  # fmt: skip
    training = folder / "annot.mat"

    def recording(path: Path) -> object:
        mpi_files._cells.cache_clear()
        return mpi_files.load_training(path, folder, 0, "annot3")

    def sequence(path: Path) -> object:
        dpw_pickles._load.cache_clear()
        return dpw_pickles.signals(dpw_pickles.load(path, folder), 0)

    return {
        "annotations in cells": Target(seeds=(file.getvalue(),), read=through(training, recording)),
        "calibration": Target(
            seeds=(calibration,),
            read=through(folder / "camera.calibration", lambda path: mpi_files.calibrated(path, folder)),
        ),
        "3DPW": Target(
            seeds=tuple(pickle.dumps(street, protocol) for protocol in (2, 4)),
            read=through(folder / "street.pkl", sequence),
        ),
    }


def _narrow(cells: np.ndarray) -> np.ndarray:
    """As many cells, of 28 pairs each."""
    found = np.empty_like(cells)
    found[:, 0] = [cell[:, :56] for cell in cells[:, 0]]
    return found
