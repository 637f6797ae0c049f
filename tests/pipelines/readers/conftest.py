"""Small sources that the reader tests share: a simulated MM-Fi tree, a synthetic MARS folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from equipose.pipelines.readers.mars_files import KINECT_COLUMNS, RADAR_COLUMNS
from equipose.pipelines.simulator import SimulatorConfig, write_mmfi_tree

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
