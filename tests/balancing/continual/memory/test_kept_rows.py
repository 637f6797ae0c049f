from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from toy_stream import ToyStream

from equipose.balancing.continual.memory.kept_rows import PRESENT, TARGET, KeptRows, in_rounds, recorded
from equipose.balancing.continual.shown import shown, spread


def kept(*rows: int) -> KeptRows:
    """Rows whose readings spell their number."""
    numbers = torch.tensor(sorted(rows))
    return KeptRows(rows=numbers, columns={PRESENT: (numbers[:, None] >> torch.arange(3) & 1).bool()})


def test_joined_rows_keep_their_columns() -> None:
    both = kept(6, 1).joined(kept(3)).chosen(torch.tensor([True, True, True]))
    assert both.rows.tolist() == [1, 3, 6]
    assert torch.equal(both.columns[PRESENT], kept(1, 3, 6).columns[PRESENT])
    assert KeptRows().joined(both).rows.tolist() == [1, 3, 6]
    assert both.position(torch.tensor([6, 1])).tolist() == [2, 0]
    assert both.holds(torch.tensor([2, 3])).tolist() == [False, True]
    assert len(KeptRows()) == 0


def test_state_round_trip() -> None:
    torch.testing.assert_close(
        KeptRows.from_state(kept(5, 2).state_dict()).state_dict(), kept(2, 5).state_dict(), rtol=0, atol=0
    )


def test_recorded_predictions_are_those_of_evaluation_mode(toy_training: Callable[..., Any]) -> None:
    training = ToyStream(toy_training, None, {"norm": "batch", "dropout": 0.3}).training(0).fit(1)
    rows = torch.tensor([17, 2, 9])
    found = recorded(training.view(), rows, targets=True)
    assert found.rows.tolist() == [2, 9, 17]
    training.model.eval()
    for row, pose, present in zip(found.rows, found.columns[TARGET], found.columns[PRESENT], strict=True):
        batch = training.batches[int(row) // 8]
        torch.testing.assert_close(pose, training.model(batch).pose[int(row) % 8], rtol=0, atol=1e-6)
        assert torch.equal(present, batch.present[int(row) % 8])


def test_ranks_record_the_same_as_one(
    toy_training: Callable[..., Any], thread_ranks: Callable[..., Any]
) -> None:
    rows = torch.arange(1, 24, 3)
    options = {"dtype": torch.float64}
    alone = recorded(ToyStream(toy_training, None, options).training(0).view(), rows, targets=True)
    for world_size in (2, 3):
        ranks = thread_ranks(world_size)
        views = [
            ToyStream(
                toy_training, None, {**options, "rank": r, "world_size": world_size, "mean": ranks.mean(r)}
            ).training(0).view()
            for r in range(world_size)
        ]  # fmt: skip
        for found in ranks.run(lambda rank, views=views: recorded(views[rank], rows, targets=True)):
            torch.testing.assert_close(found.state_dict(), alone.state_dict(), rtol=0, atol=1e-13)


def test_hidden_readings_stay_hidden(toy_training: Callable[..., Any]) -> None:
    training = ToyStream(toy_training).training(0)
    memory = KeptRows(rows=torch.arange(8), columns={PRESENT: torch.tensor([[False, True, True]] * 8)})
    batch = training.batches[0]
    seen = memory.visible(batch)
    assert not seen.present[:, 0].any()
    assert torch.equal(seen.present[:, 1:], batch.present[:, 1:])
    assert torch.equal(memory.visible(replace(batch, index=batch.index)).pose, batch.pose)


@given(size=st.integers(1, 30), count=st.integers(1, 100))
def test_rounds_visit_all_rows_equally(size: int, count: int) -> None:
    visits = torch.bincount(in_rounds(size, count, np.random.default_rng(0)), minlength=size)
    assert int(visits.sum()) == count
    assert int(visits.max() - visits.min()) <= 1


def test_chosen_rows_of_a_pass(toy_training: Callable[..., Any]) -> None:
    run = ToyStream(toy_training).training(0).view()
    rows = spread(run.training_rows, 5)
    assert rows.tolist() == [0, 6, 12, 17, 23]
    assert torch.cat([batch.index for batch in shown(run, rows)]).tolist() == rows.tolist()
    assert torch.equal(spread(rows, 9), rows)
