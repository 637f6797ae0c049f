"""`equipose prepare` passes its options to the reader."""

from __future__ import annotations

from pathlib import Path

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


def test_mars_has_no_such_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["prepare", "mars", str(tmp_path), "--out", str(tmp_path / "store"), "--any-room"])
    assert "is not an option of mars; leave it out" in capsys.readouterr().err
