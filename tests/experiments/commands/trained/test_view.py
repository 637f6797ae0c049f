"""`equipose view` from the command line: what it shows, writes, opens and refuses."""

from __future__ import annotations

import json
import re
import sys
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from equipose.experiments.cli import main
from equipose.pipelines.store import open_store

Say = Callable[..., tuple[int, str, str]]


@pytest.fixture
def say(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store_path: Path
) -> Say:
    """(exit status, stdout, stderr) of `equipose view ...` in a folder that holds STORE."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "STORE").symlink_to(store_path)

    def call(*args: str) -> tuple[int, str, str]:
        status = 0
        try:
            main(["view", *args])
        except SystemExit as ended:
            status = int(ended.code or 0)
        return status, *capsys.readouterr()

    return call


def clip(path: str) -> dict[str, Any]:
    """What the player of a page is given."""
    (found,) = re.findall(
        r'<script type="application/json">(.*?)</script>', Path(path).read_text(), re.DOTALL
    )
    plain: dict[str, Any] = json.loads(found)
    return plain


@pytest.fixture
def poses(tmp_path: Path, store_path: Path) -> Path:
    """Predictions for E01 S09 A13: the true poses, 10 mm too low."""
    import numpy as np
    import polars as pl

    from equipose.orchestrator.evaluation.poses import KEYS, write_poses
    from equipose.pipelines.player.predictions import POSE

    store = open_store(store_path)
    found = store.keys.index(next(key for key in store.keys if key[:3] == ("E01", "S09", "A13")))
    rows = store.index.filter(pl.col("sequence") == found)
    low = store.sequence(found).pose + np.array([0, 0.01, 0], np.float32)
    table = rows.select(KEYS).with_columns(pose=pl.Series(low, dtype=POSE))
    path = tmp_path / "poses.parquet"
    write_poses(table, path, {"store": store.path, "store fingerprint": store.fingerprint})
    return path


def test_a_store_is_shown_without_predictions(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    status, out, err = say("STORE", "--open")
    assert (status, err) == (0, "")
    assert "view.html: E01 S08 A02, 12 frames, simulated data, 0.1 MB" in out
    assert opened == [Path("view.html").resolve().as_uri()]
    plain = clip("view.html")
    assert [one["name"] for one in plain["series"]] == ["truth"]
    assert [panel["kind"] for panel in plain["panels"]] == ["keypoints", "cloud", "cloud", "heat"]


@pytest.mark.parametrize("named", [("poses.parquet",), ("STORE", "--predictions", "poses.parquet")])
def test_predictions_are_shown_beside_the_truth(say: Say, poses: Path, named: tuple[str, ...]) -> None:
    status, out, err = say(*named, "--out", "x.html", "--rate", "20")
    assert (status, err) == (0, "")
    assert "x.html: E01 S09 A13, 12 frames, simulated data, poses 10.0 mm" in out
    plain = clip("x.html")
    assert [one["name"] for one in plain["series"]] == ["truth", "poses"]
    assert plain["seconds"] == 0.05


def test_predictions_of_other_data_are_shown_with_a_warning(say: Say, poses: Path, tmp_path: Path) -> None:
    table = pq.read_table(poses)
    facts = {b"equipose": json.dumps({"store": "gone", "store fingerprint": "0"}).encode()}
    pq.write_table(table.replace_schema_metadata(facts), tmp_path / "old.parquet")
    status, _, err = say("STORE", "--predictions", "poses.parquet", "old.parquet")
    assert status == 0
    assert err == "equipose: warning: old.parquet was predicted from other data than STORE holds now\n"
    remote = {b"equipose": json.dumps({"store": "s3://bucket/store"}).encode()}
    pq.write_table(table.replace_schema_metadata(remote), tmp_path / "far.parquet")
    status, _, err = say("far.parquet")
    assert status == 2
    assert "store is 's3://bucket/store', not a local path; name the store: equipose view STORE" in err
    status, _, err = say("old.parquet")
    assert status == 2
    assert "old.parquet: its store: gone: store is missing" in err
    assert "equipose view STORE --predictions old.parquet" in err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("nowhere",), "nowhere: store is missing"),
        (("STORE", "--sequence", "S08"), "sequence is 'S08', which 2 sequences have"),
        (("poses.parquet", "--sequence", "S08_A02"), "sequence is E01_S08_A02, which no file of predictions"),
        (("STORE", "--out", "view.txt"), "--out view.txt: give the name of a file that ends in .html"),
        (("STORE", "--rerun", "--out", "view.html"), "ends in .rrd"),
        (("STORE", "--rerun", "--open"), "without --open"),
        (("STORE", "--rerun"), "--rerun needs the package rerun-sdk"),
        (("STORE", "--rate", "0"), "rate is 0.0"),
        (("STORE", "--megabytes", "0.01"), "allow more"),
    ],
)
def test_mistakes_are_one_line(
    say: Say,
    poses: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    args: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.setitem(sys.modules, "rerun", None)
    status, _, err = say(*args)
    assert status == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"STORE", "poses.parquet"}, "nothing is written"
