"""`equipose export` from the command line: what it prints, writes and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from equipose.experiments.cli import main
from equipose.orchestrator.export import onnx_files


def test_it_writes_a_model_of_the_sensors_that_are_named(
    trained_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["export", str(trained_run), "--out", str(tmp_path / "x"), "--sensors", "rgb"])
    written = [line.partition(": ")[0] for line in capsys.readouterr().out.splitlines()]
    assert [Path(path).name for path in written] == ["model.pt2", "encoder-rgb.pt2", "model.json"]
    assert json.loads(Path(written[-1]).read_text())["sensors"] == ["rgb"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--sensors", "depth"], "sensors=['depth']: the model has ['rgb', 'lidar', 'mmwave', 'wifi']"),
        (["--format", "onnx"], "pip install 'equipose[onnx]'"),
    ],
)
def test_a_refusal_is_one_line(
    options: list[str],
    message: str,
    trained_run: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(onnx_files, "NEEDED", ("onnx_that_nobody_has",))
    with pytest.raises(SystemExit) as ended:
        main(["export", str(trained_run), "--out", str(tmp_path / "x"), *options])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert message in said
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "x").exists()
