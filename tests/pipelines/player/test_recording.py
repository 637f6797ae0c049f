"""The recording for Rerun, where that package is; one clear error where it is not."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from equipose.pipelines.player import Clip
from equipose.pipelines.player.recording import write_recording

MakeClip = Callable[..., Clip]


def test_without_the_package_the_error_says_how_to_get_it(
    made_clip: MakeClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(ValueError, match=r"--rerun needs the package rerun-sdk.*equipose\[rerun\]"):
        write_recording(made_clip(), tmp_path / "view.rrd")
    assert not list(tmp_path.iterdir())


def test_a_recording_holds_every_part_of_the_clip(made_clip: MakeClip, tmp_path: Path) -> None:
    pytest.importorskip("rerun")
    path = write_recording(made_clip(), tmp_path / "view.rrd")
    content = path.read_bytes()
    assert content.startswith(b"RRF2")
    for name in (b"/world/truth/bones", b"/world/first/joints", b"/error_mm/second", b"/wifi", b"/depth"):
        assert name in content
