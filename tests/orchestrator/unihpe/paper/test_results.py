"""UniHPE's tables hold our numbers where they belong, beside the published ones."""

from __future__ import annotations

import numpy as np
import pytest

from equipose.orchestrator.unihpe.paper import results
from equipose.orchestrator.unihpe.paper.cost import BatchCost, step_seconds
from equipose.orchestrator.unihpe.paper.results import unihpe_paper_tables
from equipose.pipelines.paper.formats import paper_markdown
from equipose.pipelines.paper.unihpe import EXACT, LIFTED, PICTURES, POINTS
from tests.orchestrator.unihpe.paper.made_outcome import made_outcome

MEANS = {"unihpe": 50.0, "none": 80.0, "pairs": 60.0, "no token": 55.0}
OFFSET = 5 + 3
"""Mean over the two people and five actions."""


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> dict[str, results.PaperTable]:
    costs = {"pairs": BatchCost(batch_s=0.5, added_percent=0.0)}
    costs["closed"] = BatchCost(batch_s=0.51, added_percent=2.0)
    monkeypatch.setattr(results, "batch_costs", lambda run, width: costs)
    found = unihpe_paper_tables(made_outcome(MEANS), lambda runs: f"http://host/{len(runs)}")
    return {table.name: table for table in found}


def test_every_number_stands_in_its_cell(tables: dict[str, results.PaperTable]) -> None:
    for row, mean in MEANS.items():
        for column in (EXACT, PICTURES):
            cell = tables["ablation"].cells[row, column, "mpjpe"]
            assert cell.ours is not None
            np.testing.assert_allclose(cell.ours.mean, mean + OFFSET, atol=0.3)
            assert (cell.ours.n, cell.link) == (3, "http://host/3")
    ours = tables["keypoints"].cells["unihpe", POINTS, "pck_share"].ours
    assert ours is not None
    assert ours.mean == 50.0
    assert tables["keypoints"].cells["unihpe", POINTS, "epe_px"].ours is not None
    assert tables["lifting"].cells["unihpe", LIFTED, "pa_mpjpe"].ours is not None


def test_rows_of_ours_that_were_not_run_are_left_out(tables: dict[str, results.PaperTable]) -> None:
    assert list(tables["backbones"].rows) == ["tiny", "vit_s", "vit_b", "hrnet_w32", "hrnet_w48"]
    assert "heatmaps" not in tables["keypoints"].rows
    assert "parts" not in tables


def test_published_numbers_and_their_certainty_are_beside_them(tables: dict[str, results.PaperTable]) -> None:
    text = paper_markdown(tables["ablation"])
    assert "57.50 ¶" in text
    assert "simulated data" in text
    cost = paper_markdown(tables["cost"])
    assert "2.640" in cost
    assert "0.510" in cost


def test_the_time_of_a_step_is_that_of_an_epoch_over_its_steps() -> None:
    assert step_seconds(made_outcome({"pairs": 60.0}).trained[0].results[0]) == 0.5
