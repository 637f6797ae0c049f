"""Small sources that the reader tests share: a simulated MM-Fi tree, a synthetic MARS folder, triplets."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from triplet_files import (
    Arrays,
    dpw_content,
    filmed,
    photo,
    write_dpw,
    write_mpi_held_out,
    write_mpi_training,
)

from equipose.pipelines.readers.mars_files import KINECT_COLUMNS, RADAR_COLUMNS
from equipose.pipelines.readers.triplets.h36m_cameras import CAMERAS, INTRINSICS, to_camera
from equipose.pipelines.readers.triplets.h36m_lifting import SEVENTEEN
from equipose.pipelines.simulator import SimulatorConfig, simulate_motion, write_mmfi_tree

FRAMES = 5


@pytest.fixture(scope="session")
def _tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("mmfi")
    config = SimulatorConfig(frames=FRAMES, radar_empty=0.0, csi_infinite=0.0)
    write_mmfi_tree(root, subjects=["S01", "S12"], actions=["A02"], config=config)
    return root


@pytest.fixture
def tree(_tree: Path, tmp_path: Path) -> Path:
    """A private copy of a tree with E01/S01/A02 and E02/S12/A02, five intact frames each."""
    return Path(shutil.copytree(_tree, tmp_path / "tree"))


@pytest.fixture
def write_mars(tmp_path: Path) -> Callable[..., Path]:
    """Writes one subject's time part of ten movements, 12 frames each; returns the MARS root."""

    def write(
        subject: int = 1, part: str = "test", radar: bool = True, movements: int = 10, start: int = 1
    ) -> Path:
        folder = tmp_path / "mars" / "synced_data" / "wooutlier" / f"subject{subject}" / "timesplit"
        folder.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng([subject, start])
        rows, points, counter = [], [], start
        for movement in range(movements):
            base = rng.normal(np.repeat([0.0, 2.0, 0.0], 25), np.repeat([0.3, 0.1, 0.5], 25))
            for frame in range(12):
                rows.append(base + 0.01 * frame)
                count = 1 + (frame + movement) % 3
                points += [[counter, 9, *rng.normal(0, 1, 5), 1.6e9] for _ in range(count)]
                counter += 1
            counter += 1500
        _write_csv(folder / f"kinect_data_{part}.csv", KINECT_COLUMNS, np.array(rows))
        if radar:
            _write_csv(folder / f"radar_data_{part}.csv", RADAR_COLUMNS, np.array(points))
        return tmp_path / "mars"

    return write


def _write_csv(path: Path, columns: tuple[str, ...], rows: np.ndarray) -> None:
    lines = [",".join(columns), *(",".join(f"{value:.9g}" for value in row) for row in rows)]
    path.write_text("\n".join(lines) + "\n")


NAMES = {"S1": ("Walking", "Walking 1", "TakingPhoto"), "S9": ("Greeting",), "S11": ("WalkTogether",)}


def room(subject: str, name: str, frames: int = 6) -> np.ndarray:
    """[F, 17, 3] m in Human3.6M's room, z up, near its middle."""
    pose = simulate_motion(f"S{int(subject[1:]):02d}", "A02", SimulatorConfig(frames=frames, seed=len(name)))
    centred = pose - pose[:, :1].mean(axis=0)
    return np.stack([centred[..., 0], centred[..., 2], 0.9 - centred[..., 1]], axis=-1)


def project(pose: np.ndarray, camera: str) -> np.ndarray:
    """Pixels [F, 17, 2] of a pose in camera axes."""
    _, _, fx, fy, cx, cy = INTRINSICS[camera]
    return pose[..., :2] / pose[..., 2:] * [fx, fy] + [cx, cy]


@pytest.fixture
def lifting(tmp_path: Path) -> Path:
    """Human3.6M as work on lifting has it."""
    root = tmp_path / "lifting"
    root.mkdir()
    poses: dict[str, Any] = {}
    exact: dict[str, Any] = {}
    found: dict[str, Any] = {}
    for who, names in NAMES.items():
        for name in names:
            pose = room(who, name)
            raw = np.zeros((len(pose), 32, 3), np.float32)
            raw[:, SEVENTEEN] = pose
            subject = f"S{int(who[1:]):02d}"
            pixels = [project(to_camera(pose, subject, camera), camera).astype("f4") for camera in CAMERAS]
            poses.setdefault(who, {})[name] = raw
            exact.setdefault(who, {})[name] = [np.concatenate([each, each[-1:]]) for each in pixels]
            found.setdefault(who, {})[name] = [each + 3 for each in pixels]
    np.savez_compressed(root / "data_3d_h36m.npz", positions_3d=np.array(poses, dtype=object))
    for kind, table in (("gt", exact), ("cpn_ft_h36m_dbb", found)):
        np.savez_compressed(root / f"data_2d_h36m_{kind}.npz", positions_2d=np.array(table, dtype=object))
    return root


@pytest.fixture
def mmpose(tmp_path: Path) -> Path:
    """Human3.6M as MMPose has it, with grey pictures that are white in the box's middle."""
    root = tmp_path / "mmpose"
    notes = root / "annotation_body3d"
    (notes / "fps10").mkdir(parents=True)
    rows: dict[str, list[Any]] = {name: [] for name in ("imgname", "center", "scale", "part", "S")}
    cameras: dict[tuple[str, str], Any] = {}
    for who, name in (("S1", "Walking_1"), ("S9", "Greeting")):
        subject = f"S{int(who[1:]):02d}"
        for camera in CAMERAS[:2]:
            pose = to_camera(room(who, name, 3), subject, camera)
            pixels = project(pose, camera)
            folder = f"{who}/{who}_{name}.{camera}"
            (root / "images" / folder).mkdir(parents=True)
            width, height, *optics = INTRINSICS[camera]
            f, c = np.array(optics[:2])[:, None], np.array(optics[2:])[:, None]
            cameras[who, camera] = {"f": f, "c": c, "w": width, "h": height, "id": camera}
            for frame, (joints, points) in enumerate(zip(pose, pixels, strict=True)):
                text = f"{folder}/{who}_{name}.{camera}_{1 + 5 * frame:06d}.jpg"
                low, high = points.min(0), points.max(0)
                middle = (low + high) / 2
                picture = np.full((int(height), int(width), 3), 90, np.uint8)
                x, y = middle.astype(int)
                picture[y - 10 : y + 10, x - 10 : x + 10] = 255
                Image.fromarray(picture).save(root / "images" / text)
                rows["imgname"].append(text)
                rows["center"].append(middle)
                rows["scale"].append(1.2 * (high - low).max() / 200)
                rows["part"].append(np.column_stack([points, np.ones(17)]))
                rows["S"].append(np.column_stack([joints, np.ones(17)]))
    order = np.random.default_rng(0).permutation(len(rows["imgname"]))
    np.savez(notes / "fps10" / "h36m_train.npz", **{n: np.array(each)[order] for n, each in rows.items()})
    (notes / "cameras.pkl").write_bytes(pickle.dumps(cameras, 2))
    return root


@pytest.fixture(params=["lifting", "mmpose"])
def h36m(request: pytest.FixtureRequest) -> Path:
    """Either layout."""
    root: Path = request.getfixturevalue(request.param)
    return root


@pytest.fixture(scope="session")
def outdoors() -> Arrays:
    """A simulated recording like those of MPI-INF-3DHP."""
    return filmed("outdoor", "S21", "C1")


@pytest.fixture(scope="session")
def street() -> Arrays:
    """A simulated recording like those of 3DPW."""
    return filmed("moving", "S37", "moving")


@pytest.fixture(scope="session")
def _mpi(tmp_path_factory: pytest.TempPathFactory, outdoors: Arrays) -> Path:
    root = tmp_path_factory.mktemp("mpi")
    folder = write_mpi_training(root, outdoors)
    for number in (1, 6):
        path = folder / "imageFrames" / "video_0" / f"frame_{number:06d}.jpg"
        photo(path, (2048, 2048), outdoors["box"][number - 1])
    write_mpi_held_out(root, outdoors, 1, invalid=(2,))
    write_mpi_held_out(root, outdoors, 5)
    return root


@pytest.fixture
def mpi(_mpi: Path, tmp_path: Path) -> Path:
    """MPI-INF-3DHP as its authors have it: one training recording, two test sequences, some pictures."""
    return Path(shutil.copytree(_mpi, tmp_path / "mpi"))


@pytest.fixture(scope="session")
def _dpw(tmp_path_factory: pytest.TempPathFactory, street: Arrays) -> Path:
    root = tmp_path_factory.mktemp("dpw")
    write_dpw(root, dpw_content(street, people=2))
    write_dpw(root, dpw_content(street), "court_01", "train")
    photo(root / "imageFiles" / "street_00" / "image_00000.jpg", (1080, 1920), street["box"][0])
    return root


@pytest.fixture
def dpw(_dpw: Path, tmp_path: Path) -> Path:
    """3DPW as its authors have it: a sequence of two people in the test part, one of one in training."""
    return Path(shutil.copytree(_dpw, tmp_path / "dpw"))
