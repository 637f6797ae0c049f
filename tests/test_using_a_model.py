"""The page on using a model does what it says: its commands and its Python run as they are written."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import polars as pl
import pytest

from equipose.experiments.cli import main
from equipose.orchestrator.evaluation import latency
from tests.orchestrator.aligned_runs import untrained_stages, write_photos

PAGE = Path(__file__).resolve().parent.parent / "docs" / "using-a-model.md"
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_page_runs_as_written(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    trained_run: Path,
    store_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(latency, "ROUNDS", 1)
    (tmp_path / "RUN").symlink_to(trained_run)
    (tmp_path / "STORE").symlink_to(store_path)
    (tmp_path / "ALIGNED").symlink_to(untrained_stages(tmp_path) / "3")
    write_photos(tmp_path)
    ran: list[str] = []
    for language, code in BLOCK.findall(PAGE.read_text()):
        if language == "python":
            exec(code, {})
            ran.append("python")
            continue
        for line in code.splitlines():
            program, *args = shlex.split(line)
            assert program == "equipose"
            main(args)
            ran.append(args[0])
    views = ["view"] * 3
    assert ran == ["evaluate", *["predict"] * 3, *views, "python", "advise", "advise"]
    out = capsys.readouterr().out
    assert "('rgb', 'lidar', 'mmwave', 'wifi') m" in out
    assert "(192, 17, 3)" in out
    assert pl.read_parquet("two.parquet")["sensors"].unique().to_list() == ["RL"]
    for name in re.findall(r"^\| `([a-z`, ]+)` \| (?:the tables|pictures)", PAGE.read_text(), re.MULTILINE):
        for stem in name.split("`, `"):
            assert list((tmp_path / "evaluation").glob(f"{stem}.*")), stem
