"""Recall, modality gap and uniformity on embeddings whose answers are known."""

from __future__ import annotations

import math

import pytest
import torch

from equipose.models.alignment.retrieval import modality_gap, nearest, ranks_of_own, recall, uniformity


def test_ranks_count_the_rows_that_are_more_similar() -> None:
    source = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    target = torch.tensor([[1.0, 0.1], [1.0, 0.0], [1.0, 1.0]])
    # Row 0 finds row 1 first; row 1 finds row 2, then row 0, then itself.
    assert ranks_of_own(source, target).tolist() == [1, 2, 0]
    assert nearest(source, target).tolist() == [1, 2, 2]


def test_recall_is_a_share_and_length_does_not_matter() -> None:
    rows = torch.randn(50, 8, generator=torch.Generator().manual_seed(0))
    ranks = ranks_of_own(rows, 7 * rows)
    assert recall(ranks, 1) == 1.0
    assert recall(torch.tensor([0, 3, 9, 10]), 1) == 0.25
    assert recall(torch.tensor([0, 3, 9, 10]), 10) == 0.75


def test_embeddings_that_coincide_find_nothing() -> None:
    same = torch.ones(20, 4)
    assert recall(ranks_of_own(same, same), 10) == 0.0


def test_chance_is_one_in_the_gallery() -> None:
    draws = torch.Generator().manual_seed(1)
    one, other = (torch.randn(400, 16, generator=draws) for _ in range(2))
    assert recall(ranks_of_own(one, other), 1) < 0.02
    assert recall(ranks_of_own(one, other), 100) == pytest.approx(0.25, abs=0.06)


def test_gap_and_uniformity() -> None:
    east, north = torch.tensor([[1.0, 0.0]]).expand(4, 2), torch.tensor([[0.0, 1.0]]).expand(4, 2)
    assert modality_gap(east, north) == pytest.approx(math.sqrt(2))
    assert modality_gap(east, east) == 0.0
    assert uniformity(east) == pytest.approx(0.0)
    assert uniformity(torch.tensor([[1.0, 0.0], [-1.0, 0.0]])) == pytest.approx(-8.0)
