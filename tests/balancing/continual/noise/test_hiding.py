from __future__ import annotations

import torch
from torch import Tensor

from equipose.balancing.continual.noise.hiding import as_many_at_random, readings_of, replaced


def bits(*rows: str) -> Tensor:
    return torch.tensor([[bit == "1" for bit in row] for row in rows])


def test_rows_that_are_judged_again_are_replaced_and_others_stay() -> None:
    first = replaced(None, torch.tensor([2, 5, 7]), bits("10", "00", "11"))
    assert first.rows.tolist() == [2, 7], "rows without a hidden reading are not kept"
    both = replaced(first, torch.tensor([1, 7, 9]), bits("01", "00", "10"))
    assert both.rows.tolist() == [1, 2, 9]
    assert torch.equal(both.readings, bits("01", "10", "10"))


def test_what_is_known_of_rows() -> None:
    known = replaced(None, torch.tensor([2, 5]), bits("10", "01"))
    assert torch.equal(readings_of(known, torch.tensor([5, 3, 2]), 2), bits("01", "00", "10"))
    assert not readings_of(None, torch.tensor([5, 3]), 2).any()


def test_as_many_of_each_sensor_and_a_larger_choice_holds_the_smaller() -> None:
    present = torch.rand(200, 3, generator=torch.Generator().manual_seed(0)) > 0.2
    few, many = torch.zeros_like(present), torch.zeros_like(present)
    few[:10, 1], many[:30, 1], many[:5, 2] = True, True, True
    first, second = (as_many_at_random(flagged, present, 0, 1) for flagged in (few, many))
    assert first.sum(dim=0).tolist() == [0, 10, 0]
    assert second.sum(dim=0).tolist() == [0, 30, 5]
    assert (first <= second).all()
    assert (second <= present).all()
    assert not torch.equal(second, as_many_at_random(many, present, 1, 1))
