"""Real files, which may not be passed on: `MMPOSE_DATA` is a copy of MMPose's folder `tests/data`."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from equipose.pipelines.readers.triplets.h36m import H36mReader
from equipose.pipelines.readers.triplets.outdoor.mpi_inf_3dhp import Mpi3dhpReader
from equipose.pipelines.sequence import Defect, RawSequence

DATA = Path(os.environ.get("MMPOSE_DATA", ""))
pytestmark = pytest.mark.skipif("MMPOSE_DATA" not in os.environ, reason="MMPOSE_DATA names no folder")


def off(raw: RawSequence) -> float:
    """The largest distance of a projected joint from its key point, px."""
    names = ("pose", "intrinsics", "exact_keypoints")
    pose, optics, points = (np.stack([np.asarray(row, float) for row in raw.frames[n]]) for n in names)
    pixels = pose[..., :2] / pose[..., 2:] * optics[:, None, 2:4] + optics[:, None, 4:]
    return float(np.abs(pixels - points).max())


def laid_out(root: Path, files: dict[str, str]) -> Path:
    """Copies under the names that MMPose's preparation gives them."""
    for name, source in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (DATA / source).is_dir() else shutil.copy
        copy(DATA / source, root / name)
    return root


def check(raw: RawSequence) -> None:
    """A person of a usual size, some metres away, whose joints project onto the key points."""
    assert off(raw) < 2.5, "the lens distorts by some pixels"
    pose = np.stack([np.asarray(row, float) for row in raw.frames["pose"]])
    shins = np.linalg.norm(pose[:, [3, 6]] - pose[:, [2, 5]], axis=-1)
    assert ((shins > 0.3) & (shins < 0.6)).all()
    assert (pose[:, 0, 2] > 1.5).all()
    for image in raw.frames["image"]:
        assert not isinstance(image, Defect)
        assert image.shape == (256, 192, 3)
        assert image.std() > 10


def test_human36m_of_mmpose(tmp_path: Path) -> None:
    folders = {f"images/{who}": f"h36m/{who}" for who in ("S1", "S5", "S7", "S8")}
    notes = {
        "annotation_body3d/cameras.pkl": "h36m/cameras.pkl",
        "annotation_body3d/fps10/h36m_train.npz": "h36m/test_h36m_body3d.npz",
    }
    root = laid_out(tmp_path, folders | notes)
    reader = H36mReader()
    keys = reader.sequences(root)
    assert [key.subject for key in keys] == ["S01", "S05", "S07", "S08"]
    for key in keys:
        check(reader.read(root, key))


def test_mpi_inf_3dhp_of_mmpose(tmp_path: Path) -> None:
    pictures = [path.name for path in (DATA / "mpi_inf_3dhp").glob("*.jpg")]
    notes = {
        "annotations/mpi_inf_3dhp_train.npz": "mpi_inf_3dhp/test_3dhp_train.npz",
        "annotations/mpi_inf_3dhp_test_valid.npz": "mpi_inf_3dhp/test_3dhp_test.npz",
        **{
            f"annotations/{name}": f"mpi_inf_3dhp/{name}"
            for name in ("cameras_train.pkl", "cameras_test.pkl")
        },
    }
    root = laid_out(tmp_path, {f"images/{name}": f"mpi_inf_3dhp/{name}" for name in pictures} | notes)
    reader = Mpi3dhpReader(every=1)
    keys = reader.sequences(root)
    assert [(key.subject, key.action, key.camera) for key in keys] == [
        ("S04", "A02", "0"),
        ("S08", "A01", "8"),
        ("S11", "A01", "test"),
        ("S12", "A01", "test"),
    ]
    for key in keys:
        check(reader.read(root, key))
