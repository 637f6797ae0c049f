"""The clip of a comparison: a typical sequence, with what the checkpoints say about it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from equipose.orchestrator.checkpoints.trained_model import predict
from equipose.orchestrator.comparison import motion
from equipose.orchestrator.comparison.motion import comparison_clip, predicted_clip, typical_rows
from equipose.pipelines.store import Store


def evaluation(errors: dict[int, list[float]], mean: float = 0.0) -> Any:
    """Test errors by sequence, each with a first row of 100 times its number."""
    rows = [
        (subset, 100 * sequence + i, sequence, error + extra)
        for subset, extra in (("R", 900.0), ("RL", 0.0))
        for sequence, each in errors.items()
        for i, error in enumerate(each)
    ]
    frames = pl.DataFrame(rows, schema=["subset", "row", "sequence", "mpjpe_mm"], orient="row")
    return SimpleNamespace(frames=frames, full="RL", mpjpe_mm=mean)


def test_the_typical_sequence_has_the_median_error() -> None:
    found = evaluation({0: [50.0, 51.0], 1: [10.0, 300.0], 2: [70.0], 3: [80.0, 80.0]})
    assert typical_rows(found).tolist() == [200]
    assert typical_rows(evaluation({4: [1.0, 2.0]})).tolist() == [400, 401]


def test_a_clip_holds_what_the_model_predicts(trained_run: Path, small_store: Store) -> None:
    from equipose.orchestrator.checkpoints.find import find_checkpoint

    rows = np.arange(14, 22)
    clip = predicted_clip(str(small_store.path), rows, {"model": find_checkpoint(trained_run)})
    truth, predicted = predict(trained_run, rows)
    np.testing.assert_array_equal(clip.truth, truth)
    np.testing.assert_array_equal(clip.predictions["model"], predicted)
    assert clip.numbers.tolist() == list(range(3, 11))
    assert (clip.total, clip.provenance) == (8, "simulated data")
    assert len(clip.panels) == 4


def test_plain_stands_beside_the_best_other_method(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(method: str, mean: float) -> Any:
        spec = SimpleNamespace(select="best", config=SimpleNamespace(data=SimpleNamespace(store="STORE")))
        result = SimpleNamespace(folder=Path(method))
        found = evaluation({0: [1.0]}, mean)
        return SimpleNamespace(method=method, spec=spec, result=result, evaluation=found)

    runs = {"plain": [run("plain", 60.0)], "awc": [run("awc", 61.0)], "ogm_ge": [run("ogm_ge", 55.0)]}
    outcome: Any = SimpleNamespace(methods=tuple(runs), of=runs.__getitem__)
    asked: list[Any] = []
    monkeypatch.setattr(motion, "predicted_clip", lambda *args: asked.append(args))
    comparison_clip(outcome)
    ((store, rows, models),) = asked
    assert (store, rows.tolist()) == ("STORE", [0])
    assert models == {"plain": Path("plain/best"), "ogm_ge": Path("ogm_ge/best")}
