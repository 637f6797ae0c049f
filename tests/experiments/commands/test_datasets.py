"""`equipose verify` reports what it checked, or names the damaged file; `simulate` says what comes next."""

from __future__ import annotations

from pathlib import Path

import pytest

from equipose.experiments.cli import main
from equipose.pipelines.prepare import prepare
from equipose.pipelines.readers import SimulatedSource
from equipose.pipelines.simulator import SimulatorConfig
from equipose.pipelines.store import Store, open_store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    source = SimulatedSource(subjects=("S01",), actions=("A02", "A03"), config=SimulatorConfig(frames=4))
    return prepare("simulated", source, tmp_path / "store")


def test_verify_says_what_it_checked(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    main(["verify", str(store.path)])
    out = capsys.readouterr().out
    assert f"{store.path} is intact: 3 files" in out
    assert "8 frames in 2 sequences" in out
    assert store.fingerprint in out


@pytest.mark.parametrize("kind", ["frames", "index", "defects"])
def test_verify_names_a_damaged_file(store: Store, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = next(Path(store.path).glob(f"{kind}-*"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.with_suffix(".copy").write_bytes(content)
    path.with_suffix(".copy").replace(path)  # the file itself is mapped
    with pytest.raises(SystemExit) as ended:
        main(["verify", str(store.path)])
    out, err = capsys.readouterr()
    assert ended.value.code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert path.name in err
    assert "SHA-256" in err


def test_verify_of_no_store_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["verify", str(tmp_path / "nothing")])
    assert ended.value.code == 2
    assert "nothing: store is missing" in capsys.readouterr().err


def test_simulated_images_are_prepared_by_the_command_that_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    main(
        [
            "simulate",
            "tree",
            "--subjects",
            "S01",
            "--actions",
            "A02",
            "--frames",
            "2",
            "--sensors",
            "lidar",
            "rgb",
            "--images",
        ]
    )
    said = capsys.readouterr().out.strip().rpartition("next: equipose ")[2]
    assert said == "prepare mmfi tree --out tree-store --sensors rgb lidar image"
    main([*said.split(" "), "--no-parallel"])
    store = open_store(tmp_path / "tree-store")
    assert store.signals.sensors == ("rgb", "lidar", "image")
    assert store.index["valid_image"].all()
