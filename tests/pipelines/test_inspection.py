"""`equipose inspect` prints what the store holds."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from pyarrow import fs
from rich.console import Console

from equipose.pipelines.inspection import render, summarize
from equipose.pipelines.prepare import prepare
from equipose.pipelines.protocols import select
from equipose.pipelines.simulator import PROVENANCE, SimulatorConfig, write_mmfi_tree
from equipose.pipelines.store import Store, open_store


@pytest.fixture(scope="module")
def flawed(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Three subjects x two actions x three frames, with some files missing and some broken."""
    root = tmp_path_factory.mktemp("inspected")
    config = SimulatorConfig(frames=3, radar_empty=0.0)
    write_mmfi_tree(root / "tree", subjects=["S01", "S05", "S09"], actions=["A01", "A02"], config=config)
    place = root / "tree" / "E01" / "S01" / "A02"
    (place / "ground_truth.npy").unlink()
    (place / "lidar" / "frame001.bin").write_bytes(b"")
    for file in (place / "rgb").iterdir():
        file.unlink()
    (place / "rgb").rmdir()
    return prepare("mmfi", root / "tree", root / "store")


def test_counts_reasons_and_provenance(flawed: Store) -> None:
    found = summarize(flawed)
    assert (found.frames, found.sequences, found.without_pose) == (18, 6, 3)
    assert (found.subjects, found.actions) == (("S01", "S05", "S09"), ("A01", "A02"))
    assert found.invalid == {"rgb": 3, "lidar": 1, "mmwave": 0, "wifi": 0, "pose": 3}
    assert found.reasons == {("lidar", "empty-file"): 1, ("pose", "missing"): 3, ("rgb", "missing"): 3}
    assert found.provenance["wifi"] == {PROVENANCE: 6}
    assert found.fingerprint == flawed.fingerprint


def test_parts_are_those_that_selection_gives(flawed: Store) -> None:
    found = summarize(flawed)
    for protocol, split in (("P3", "S2"), ("P2", "S2")):
        rows = select(flawed.index, protocol, split)
        assert found.parts[protocol, split] == {part: len(rows[part]) for part in rows}
    assert found.parts["P1", "S2"] == {"train": 0, "validation": 3, "test": 3}


def test_every_kind_of_defect_has_an_example_with_its_remedy(tmp_path: Path) -> None:
    config = SimulatorConfig(frames=2, radar_empty=0.0)
    write_mmfi_tree(tmp_path / "tree", subjects=["S01"], actions=["A02"], config=config)
    place = tmp_path / "tree" / "E01" / "S01" / "A02"
    (place / "lidar" / "frame002.bin").write_bytes(b"")
    content = bytearray((place / "wifi-csi" / "frame001.mat").read_bytes())
    content[124:126] = b"\x00\x02"  # the version of MATLAB 7.3
    (place / "wifi-csi" / "frame001.mat").write_bytes(content)
    store = prepare("mmfi", tmp_path / "tree", tmp_path / "store")
    assert summarize(store).examples.keys() == {("lidar", "empty-file"), ("wifi", "unreadable")}
    console = Console(width=400, record=True, file=io.StringIO())
    console.print(render(summarize(store)))
    text = console.export_text()
    assert f"{place}/lidar/frame002.bin has no bytes" in text
    assert "MATLAB 7.3 files are saved anew with -v7" in text


def test_the_rendering_holds_every_count(flawed: Store) -> None:
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(render(summarize(flawed)))
    text = console.export_text()
    for said in (
        flawed.fingerprint,
        "18 frames in 6 sequences",
        PROVENANCE,
        "empty-file 1",
        "P3",
        "S2",
        "3 have none",
    ):
        assert said in text


def test_places_of_points_are_printed_and_a_remote_store_is_not_read_for_them(flawed: Store) -> None:
    local = summarize(flawed)
    assert [placed.frames for placed in local.placements] == [15, 15]
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(render(local))
    text = console.export_text()
    assert "x, y, z minus the pelvis, m" in text
    assert "frames: lidar 15, mmwave 15" in text
    (line,) = (line for line in text.splitlines() if "intensity" in line)
    assert f"{local.placements[1].quartiles['intensity'][1]:+.2f}" in line

    path = Path(flawed.path)
    remote = open_store(path.name, fs.SubTreeFileSystem(str(path.parent), fs.LocalFileSystem()))
    found = summarize(remote)
    assert found.placements == ()
    assert (found.frames, found.parts) == (local.frames, local.parts)
