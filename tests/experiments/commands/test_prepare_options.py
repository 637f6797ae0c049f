"""`equipose prepare` passes its options to the reader."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from equipose.experiments.cli import main
from equipose.pipelines.simulator import SimulatorConfig, write_mmfi_tree
from equipose.pipelines.store import open_store


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """One sequence whose radar is the filtered one, linked from another folder, in another room."""
    root = tmp_path / "tree"
    config = SimulatorConfig(frames=2, radar_empty=0.0)
    write_mmfi_tree(root, subjects=["S01"], actions=["A02"], config=config)
    (root / "E01").rename(root / "E03")
    radar = root / "E03" / "S01" / "A02" / "mmwave"
    (tmp_path / "disk").mkdir()
    radar.rename(tmp_path / "disk" / "radar")
    radar.with_name("filtered_mmwave").symlink_to(tmp_path / "disk" / "radar")
    return root


def test_options_reach_the_reader(tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["prepare", "mmfi", str(tree), "--out", str(tmp_path / "store")]
    with pytest.raises(SystemExit, match="2"):
        main(command)
    assert "prepare with --any-room" in capsys.readouterr().err
    options = ["--any-room", "--filtered-radar", "--follow-links", str(tmp_path / "disk")]
    main([*command, *options])
    store = open_store(tmp_path / "store")
    assert store.index["valid_mmwave"].all()
    assert store.keys[0].environment == "E03"


@pytest.mark.parametrize(
    "option",
    [
        ["--any-room"],
        ["--axes", "mmwave=zxy"],
        ["--columns", "lidar=x,y,z"],
        ["--every", "2"],
        ["--universal"],
        ["--detections", "gt"],
        ["--rate", "fps50"],
    ],
)
def test_mars_has_no_such_options(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: list[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["prepare", "mars", str(tmp_path), "--out", str(tmp_path / "store"), *option])
    assert "is not an option of mars; leave it out" in capsys.readouterr().err


def options_said(text: str) -> list[str]:
    """The options that an output suggests."""
    told = " ".join(text.split()).partition("prepare it again into another folder with ")[2]
    words = itertools.takewhile(lambda word: word.startswith("--") or "=" in word, told.split())
    return list(words)


def reorder(tree: Path, folder: str, columns: int, order: list[int], signs: list[int]) -> None:
    """Give the points of every file in these folders another order of columns."""
    for path in tree.glob(f"E*/S*/A*/{folder}/*.bin"):
        (np.frombuffer(path.read_bytes()).reshape(-1, columns)[:, order] * signs).tofile(path)


def test_what_inspect_suggests_restores_the_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = tmp_path / "tree"
    config = SimulatorConfig(frames=12, radar_empty=0.0)
    write_mmfi_tree(tree, subjects=["S01", "S12"], actions=["A02"], config=config)

    def prepared(name: str, *options: str) -> tuple[str, list[str]]:
        main(["prepare", "mmfi", str(tree), "--out", str(tmp_path / name), *options])
        printed = options_said(capsys.readouterr().out)
        main(["inspect", str(tmp_path / name)])
        assert options_said(capsys.readouterr().out) == printed
        return open_store(tmp_path / name).fingerprint, printed

    plain, advised = prepared("plain")
    assert advised == []
    main(["prepare", "mmfi", str(tree), "--out", str(tmp_path / "odd"), "--axes", "lidar=zxy"])
    assert "with the default axes and columns" in " ".join(capsys.readouterr().out.split())
    reorder(tree, "lidar", 3, [2, 0, 1], [1, -1, -1])
    reorder(tree, "mmwave", 5, [1, 2, 0, 4, 3], [-1, 1, 1, 1, 1])
    other, advised = prepared("other")
    right = ["--axes", "lidar=z-x-y", "mmwave=-yzx", "--columns", "mmwave=x,y,z,intensity,doppler"]
    assert other != plain
    assert advised == right
    assert prepared("right", *advised) == (plain, [])
    _, advised = prepared("half", "--axes", "lidar=-zyx", "mmwave=-yzx")
    assert advised == right, "what was given and is right is told again"
