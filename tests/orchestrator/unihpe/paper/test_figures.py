"""UniHPE's figures are drawn from what the runs left."""

from __future__ import annotations

import numpy as np

from equipose.orchestrator.unihpe.paper.figures import cosine_history, unihpe_figures
from tests.orchestrator.unihpe.paper.made_outcome import made_outcome


def test_cosines_are_those_of_all_epochs_and_seeds() -> None:
    outcome = made_outcome({"pairs": 60.0})
    history = cosine_history(outcome.of("pairs"), "keypoints")
    np.testing.assert_array_equal(history, np.full((3, 2), 0.8))
    [figure] = unihpe_figures(outcome)
    assert figure.name == "cosines"
    assert "pairs: image 0.50, keypoints 0.80" in figure.alt
    assert figure.in_report("simulated data").data.startswith(b"\x89PNG")
