"""The verb that makes stores of simulated triplets."""

from __future__ import annotations

from pathlib import Path

import pytest

from equipose.experiments.cli import main
from equipose.pipelines.store import open_store


def test_a_store_of_triplets_by_one_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = ("--subjects", "S37", "--actions", "A02", "--frames", "3", "--no-parallel")
    main(("triplets", "moving", "--out", str(tmp_path / "store"), *chosen, "--noise", "0"))
    store = open_store(tmp_path / "store")
    assert [tuple(key) for key in store.keys] == [("E04", "S37", "A02", "test", "moving")]
    sequence = store.sequence(0)
    assert (sequence.signals["keypoints"][..., :2] == sequence.signals["exact_keypoints"]).all()
    printed = capsys.readouterr().out
    assert "3DPW" in printed
    assert "simulated:" in printed


def test_what_a_set_lacks_ends_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(("triplets", "indoor", "--out", str(tmp_path / "store"), "--subjects", "S02"))
    assert caught.value.code == 2
    assert "use distinct ones of S01, S05" in capsys.readouterr().err
