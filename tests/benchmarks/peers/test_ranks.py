"""The loops on two ranks: equal steps, and the CPU time of both together."""

from __future__ import annotations

import pytest

from benchmarks.peers import loop, ranks


def test_seconds_are_summed_over_ranks() -> None:
    first = {"bare": [1.0, 2.0, 3.0], "ours": [2.0, 3.0, 4.0]}
    second = {"bare": [1.0, 1.0, 1.0], "ours": [2.0, 3.0, 1.0]}
    assert ranks.of_all_ranks([first, second]) == {"bare": [2.0, 3.0, 4.0], "ours": [4.0, 6.0, 5.0]}


@pytest.mark.slow
@pytest.mark.system
def test_every_loop_ends_at_the_same_weights_and_loss() -> None:
    """A rank whose numbers differ raises, and with it the table."""
    text = ranks.table(loop.Work(frames=2, preset="tiny", batch=16, rounds=1))
    for name in (loop.BARE, loop.AGAIN, loop.OURS, loop.READING, loop.ONCE):
        assert f"| {name} |" in text
