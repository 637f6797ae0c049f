"""Whether the paper's order comes out is said claim by claim, with an interval."""

from __future__ import annotations

import numpy as np

from equipose.orchestrator.unihpe.paper.order import difference, order_table
from equipose.orchestrator.unihpe.paper.plan import Origin
from tests.orchestrator.unihpe.paper.made_outcome import made_outcome

IMAGES = "image>pose"


def verdicts(means: dict[str, float], seeds: tuple[int, ...] = (0, 1, 2)) -> dict[str, str]:
    table = order_table(made_outcome(means, seeds))
    assert table is not None
    return {
        f"{section}: {row[0].shown}": row[-1].shown
        for section, row in zip(table.sections, table.rows, strict=True)
    }


def test_a_difference_is_that_of_the_means_and_excludes_what_is_not_there() -> None:
    outcome = made_outcome({"none": 80.0, "pairs": 60.0})
    mine, theirs = (Origin(variant=name, route=IMAGES) for name in ("pairs", "none"))
    found = difference(outcome, mine, theirs)
    assert found is not None
    np.testing.assert_allclose(found.difference, -20.0, atol=1e-9)
    low, high = found.interval(0.95)
    assert low <= -20 <= high < 0
    assert difference(outcome, mine, Origin(variant="unihpe", route=IMAGES)) is None


def test_the_verdict_says_whether_the_paper_is_met() -> None:
    found = verdicts({"none": 80.0, "pairs": 60.0})
    image = "Table 6, Human3.6M, image: + L_pair, against decoders alone"
    exact = "Table 6, Human3.6M, exact: + L_pair, against decoders alone"
    assert found == {image: "as in the paper", exact: "the other way round"}
    assert set(verdicts({"none": 80.0, "pairs": 60.0}, seeds=(0,)).values()) == {"one seed"}


def test_equal_variants_are_undecided() -> None:
    outcome = made_outcome({"none": 60.0, "pairs": 60.0})
    noisy = outcome.trained[0].aligned[""].routes
    rng = np.random.default_rng(7)
    shaken = noisy.with_columns(mpjpe_mm=noisy["mpjpe_mm"] + rng.normal(0, 30, len(noisy)))
    object.__setattr__(outcome.trained[0].aligned[""], "routes", shaken)
    table = order_table(outcome)
    assert table is not None
    assert {row[-1].shown for row in table.rows} == {"undecided"}


def test_without_runs_to_compare_there_is_no_table() -> None:
    assert order_table(made_outcome({"unihpe": 50.0})) is None
