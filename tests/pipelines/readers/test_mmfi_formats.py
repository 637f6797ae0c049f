"""Another format, unit or numbering is named as such; damage in some files is not mistaken for it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from equipose.models.sensors import sensor_of
from equipose.pipelines.cleaning import assemble
from equipose.pipelines.readers.mmfi import MmfiReader
from equipose.pipelines.readers.mmfi_formats import wrong_points
from equipose.pipelines.sequence import Defect, SensorSequence
from equipose.pipelines.simulator import SimulatorConfig, write_mmfi_tree
from equipose.pipelines.store import SequenceKey

KEY = SequenceKey("E01", "S01", "A02")
Convert = Callable[[np.ndarray], np.ndarray]


@pytest.fixture(scope="module")
def _long_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("formats")
    write_mmfi_tree(root, subjects=["S01"], actions=["A02"], config=SimulatorConfig(frames=24))
    return root


@pytest.fixture
def place(_long_tree: Path, tmp_path: Path) -> Path:
    """A sequence of 24 frames, to be changed."""
    return Path(shutil.copytree(_long_tree, tmp_path / "tree")) / "E01" / "S01" / "A02"


def read(place: Path) -> SensorSequence:
    return assemble(MmfiReader().read(place.parents[2], KEY))


def convert(place: Path, sensor: str, how: Convert) -> list[np.ndarray]:
    """Write every file of points anew; returns what they held."""
    before = []
    for path in sorted((place / sensor).iterdir()):
        points = np.frombuffer(path.read_bytes(), "<f8").reshape(-1, sensor_of(sensor).layout.channels)
        path.write_bytes(np.ascontiguousarray(how(points)).tobytes())
        before.append(points)
    return before


def only_defect(place: Path) -> Defect:
    (defect,) = (d for d in read(place).defects if d.frame is None)
    return defect


def with_intensity(points: np.ndarray) -> np.ndarray:
    return np.hstack([points[:, :3], np.abs(points[:, :1]) * 40 + 20])


@pytest.mark.parametrize("sensor", ["lidar", "mmwave"])
@pytest.mark.parametrize("rows", [1, 2], ids=["any number of points", "an even number"])
def test_float32_is_named_however_many_files_divide(place: Path, sensor: str, rows: int) -> None:
    convert(place, sensor, lambda points: points[: len(points) // rows * rows].astype("<f4"))
    defect = only_defect(place)
    assert (defect.modality, defect.reason) == (sensor, "format")
    columns = sensor_of(sensor).layout.channels
    assert f"look like float32 with {columns} columns, expected float64 with {columns}" in defect.detail
    assert not read(place).valid[sensor].any(), "no frame comes through with made-up values"


@pytest.mark.parametrize("rows", [1, 3], ids=["any number of points", "one that divides"])
def test_a_column_more_is_named(place: Path, rows: int) -> None:
    convert(place, "lidar", lambda points: with_intensity(points)[: len(points) // rows * rows])
    defect = only_defect(place)
    assert (defect.modality, defect.reason) == ("lidar", "format")
    assert "float64 with 4 columns (x, y, z, intensity?), expected float64 with 3 (x, y, z)" in defect.detail


@pytest.mark.parametrize("how", [
    lambda points: points,
    lambda points: points.astype("<f4").astype("<f8"),
    lambda points: np.round(points * 8) / 8,
    lambda points: points[:1],
    lambda points: points - points.sum(0) / max(1, len(points)),
], ids=["as it is", "rounded to float32", "rounded to 1/8", "one point", "centred"])  # fmt: skip
@pytest.mark.parametrize("sensor", ["lidar", "mmwave"])
def test_the_expected_format_is_believed(place: Path, sensor: str, how: Convert) -> None:
    convert(place, sensor, how)
    assert wrong_points(sensor, sorted((place / sensor).iterdir())) is None


@pytest.mark.parametrize("sensor", ["lidar", "mmwave"])
def test_damage_stays_damage(place: Path, sensor: str) -> None:
    rng = np.random.default_rng(0)
    damaged = sorted((place / sensor).iterdir())[::2]
    for path in damaged:
        path.write_bytes(rng.bytes(rng.integers(1, 2000)))
    assert {d.reason for d in read(place).defects if d.modality == sensor} & {"truncated", "not-finite"}
    assert wrong_points(sensor, sorted((place / sensor).iterdir())) is None


def test_numbering_from_zero_is_named_and_shifts_no_label(place: Path) -> None:
    for path in sorted((place / "lidar").iterdir()):
        number = int(path.stem.removeprefix("frame"))
        path.rename(path.with_name(f"frame{number - 1:03d}.bin"))
    (place / "lidar" / "frame007.bin").unlink()
    sequence, defect = read(place), only_defect(place)
    assert len(sequence) == 24
    assert not sequence.valid["lidar"].any()
    assert (defect.modality, defect.reason) == ("lidar", "format")
    assert (
        "numbered from frame000.bin to frame023.bin, expected frame001.bin to frame024.bin" in defect.detail
    )


def test_a_stray_frame_zero_is_left_out(place: Path) -> None:
    (place / "lidar" / "frame000.bin").write_bytes(b"stray")
    (place / "lidar" / "frame010.bin").unlink()
    assert read(place).valid["lidar"].sum() == 23


@pytest.mark.parametrize(
    ("file", "factor", "signal", "guess"),
    [
        ("ground_truth.npy", 1000, "pose", "millimetres? divide by 1000"),
        ("rgb", 1 / 640, "rgb", "scaled to 0..1? multiply by the image's size"),
        ("lidar", 1000, "lidar", "millimetres? divide by 1000"),
    ],
)
def test_another_unit_is_guessed(place: Path, file: str, factor: float, signal: str, guess: str) -> None:
    if file == "lidar":
        convert(place, "lidar", lambda points: points * factor)
    for path in [place / file] if file.endswith(".npy") else sorted((place / file).glob("*.npy")):
        np.save(path, np.load(path) * factor)
    defect = only_defect(place)
    assert (defect.modality, defect.reason) == (signal, "format")
    assert defect.detail.endswith(guess)
    assert not read(place).valid[signal].any()
