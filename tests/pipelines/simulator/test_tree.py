"""The tree on disk has MM-Fi's names, types and shapes, and never holds half a sequence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import loadmat

from equipose.pipelines.simulator import (
    MARKER,
    PROVENANCE,
    SimulatorConfig,
    observe,
    simulate_motion,
    simulate_sequence,
    write_mmfi_tree,
)

CONFIG = SimulatorConfig(frames=6, radar_empty=0.5, csi_infinite=0.1)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    assert write_mmfi_tree(root, subjects=["S01", "S40"], actions=["A02", "A26"], config=CONFIG) == 4
    return root


def test_names(tree: Path) -> None:
    assert sorted(p.name for p in tree.iterdir() if not p.name.startswith(".")) == ["E01", "E04"]
    sequence = tree / "E04/S40/A26"
    assert sorted(p.name for p in sequence.iterdir()) == [
        "ground_truth.npy", "lidar", "mmwave", "rgb", "wifi-csi",
    ]  # fmt: skip
    for folder, kind in (("rgb", "npy"), ("lidar", "bin"), ("mmwave", "bin"), ("wifi-csi", "mat")):
        names = sorted(p.name for p in (sequence / folder).iterdir())
        assert names == [f"frame{n:03d}.{kind}" for n in range(1, 7)]


def test_files_hold_what_was_simulated(tree: Path) -> None:
    made = simulate_sequence("S01", "A02", CONFIG).frames
    folder = tree / "E01/S01/A02"
    truth = np.load(folder / "ground_truth.npy", allow_pickle=False)
    assert truth.dtype == np.float32
    assert np.array_equal(truth, np.stack(made["pose"]))  # type: ignore[arg-type]
    for index in range(6):
        name = f"frame{index + 1:03d}"
        rgb = np.load(folder / f"rgb/{name}.npy", allow_pickle=False)
        lidar = np.fromfile(folder / f"lidar/{name}.bin", np.float64).reshape(-1, 3)
        mmwave = np.fromfile(folder / f"mmwave/{name}.bin", np.float64).reshape(-1, 5)
        wifi = loadmat(folder / f"wifi-csi/{name}.mat")
        assert np.array_equal(rgb, made["rgb"][index])  # type: ignore[arg-type]
        assert np.array_equal(lidar, made["lidar"][index])  # type: ignore[arg-type]
        assert np.array_equal(mmwave, made["mmwave"][index])  # type: ignore[arg-type]
        assert np.array_equal(wifi["CSIamp"], made["wifi"][index])  # type: ignore[arg-type]
        assert wifi["CSIphase"].shape == (3, 114, 10)
        assert np.abs(wifi["CSIphase"]).max() <= np.pi


def test_other_sensors_are_written_when_asked_for(tmp_path: Path) -> None:
    seven = ("rgb", "infra1", "infra2", "depth", "lidar", "mmwave", "wifi")
    config = SimulatorConfig(frames=2)
    root, chosen = tmp_path / "seven", {"subjects": ["S11"], "actions": ["A03"], "config": config}
    write_mmfi_tree(root, **chosen, modalities=seven)  # type: ignore[arg-type]
    folder = root / "E02/S11/A03"
    assert sorted(p.name for p in folder.iterdir() if p.is_dir()) == sorted({*seven, "wifi-csi"} - {"wifi"})
    pose = simulate_motion("S11", "A03", config)
    found = observe(pose, environment="E02", subject="S11", key="A03", config=config, modalities=seven)
    for name in ("infra1", "infra2"):
        written = np.load(folder / name / "frame002.npy", allow_pickle=False)
        assert written.dtype == np.float64
        assert np.array_equal(written, found[name][1])
    with Image.open(folder / "depth/frame002.png") as image:
        assert (image.format, image.mode, image.size) == ("PNG", "I;16", (640, 480))
        assert np.array_equal(np.asarray(image), found["depth"][1])
    assert json.loads((root / MARKER).read_text())["modalities"] == sorted(seven)
    with pytest.raises(ValueError, match="was simulated with"):
        write_mmfi_tree(root, **chosen)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"modalities: \['sonar'\]; use some of \['rgb', 'infra1'"):
        write_mmfi_tree(tmp_path / "x", **chosen, modalities=("rgb", "sonar"))  # type: ignore[arg-type]


def test_defects_happen(tree: Path) -> None:
    sizes = [p.stat().st_size for p in tree.rglob("mmwave/*.bin")]
    assert 0 in sizes
    assert max(sizes) > 0
    frames = [loadmat(p)["CSIamp"] for p in tree.rglob("*.mat")]
    assert any(np.isneginf(frame).any() for frame in frames)


def test_writing_again_adds_only_what_is_missing(tmp_path: Path) -> None:
    seen: list[str] = []
    config = SimulatorConfig(frames=2)
    assert write_mmfi_tree(tmp_path, subjects=["S01"], actions=["A01"], config=config) == 1
    before = (tmp_path / "E01/S01/A01/ground_truth.npy").stat().st_mtime_ns
    (tmp_path / ".partial-E01-S01-A03").mkdir()
    (tmp_path / ".partial-E01-S01-A03/junk").write_text("left by a run that was killed")
    added = write_mmfi_tree(
        tmp_path, subjects=["S01"], actions=["A01", "A03"], config=config, progress=seen.append
    )
    assert added == 1
    assert seen == ["E01/S01/A01", "E01/S01/A03"]
    assert (tmp_path / "E01/S01/A01/ground_truth.npy").stat().st_mtime_ns == before
    assert not list(tmp_path.glob(".partial*"))
    assert not (tmp_path / "E01/S01/A03/junk").exists()


def test_marker_says_simulated_and_guards_the_tree(tree: Path, tmp_path: Path) -> None:
    marker = json.loads((tree / MARKER).read_text())
    assert marker["provenance"] == PROVENANCE
    assert marker["config"]["radar_empty"] == 0.5
    with pytest.raises(ValueError, match="was simulated with"):
        write_mmfi_tree(tree, subjects=["S01"], actions=["A01"], config=SimulatorConfig(frames=7))
    (tmp_path / "E01").mkdir()
    with pytest.raises(ValueError, match="not simulated data"):
        write_mmfi_tree(tmp_path, subjects=["S01"], actions=["A01"], config=CONFIG)


def test_bad_names_are_found_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="A99"):
        write_mmfi_tree(tmp_path / "x", subjects=["S01"], actions=["A01", "A99"], config=CONFIG)
    with pytest.raises(ValueError, match="S99"):
        write_mmfi_tree(tmp_path / "x", subjects=["S01", "S99"], actions=["A01"], config=CONFIG)
    assert not (tmp_path / "x").exists()
