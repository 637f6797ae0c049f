"""What a sweep's page says first, and the model that its best trial leaves in MLflow."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from job_processes import runs_by_name

from equipose.orchestrator.sweep.config import OBJECTIVE
from equipose.orchestrator.sweep.results import COLUMNS, SweepOutcome, SweepTable
from equipose.orchestrator.tracking.client import client
from equipose.orchestrator.tracking.origin import NOTE
from equipose.orchestrator.tracking.server import tracking_server


def test_the_note_has_the_best_setting_and_both_errors() -> None:
    rows = [
        ("trial-000", "done", "mlp", 0.0, 0.0, 0, 3, 52.04),
        ("trial-001", "done", "mlp", 0.31234, 0.5, 4, 3, 49.96),
    ]
    frame = pl.DataFrame(rows, schema=COLUMNS, orient="row")
    reports: Any = {
        "awc": SimpleNamespace(mpjpe_mm=np.array([80.0, 51.0])),
        "plain": SimpleNamespace(mpjpe_mm=np.array([80.0, 53.0])),
    }
    outcome = SweepOutcome(
        table=SweepTable(frame=frame),
        trials={"awc": "trial-001", "plain": "trial-000"},
        checkpoints={"awc": Path("a"), "plain": Path("b")},
        test=reports,
        test_rows=np.arange(3),
        modalities=("rgb",),
        provenance="simulated data",
    )
    assert outcome.table.best[OBJECTIVE] == 49.96
    assert "mlp fusion, strength 0.3123, weak_share 0.5, window 4 (trial-001)" in outcome.note
    assert "validation MPJPE 50.0 mm" in outcome.note
    assert "simulated data: awc 51.0 mm (trial-001), plain 53.0 mm (trial-000)" in outcome.note


@pytest.mark.system
@pytest.mark.timeout(900)  # it is the first to ask for the finished sweep
def test_the_best_trial_and_the_sweep_show_one_model(finished_sweep: Any) -> None:
    runs = runs_by_name(finished_sweep.out)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        with tracking_server(finished_sweep.out) as server:
            parent = client(server.uri).get_run(runs[finished_sweep.name])
            (output,) = parent.outputs.model_outputs
            model = client(server.uri).get_logged_model(output.model_id)
    best = parent.data.tags["best_trial"]
    assert model.source_run_id == runs[best]
    assert best in parent.data.tags[NOTE]
    assert [item.dataset.digest for item in parent.inputs.dataset_inputs] == [parent.data.tags["fingerprint"]]
