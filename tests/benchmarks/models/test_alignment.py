"""The benchmark of the contrastive losses runs, and what it compares is one number."""

from __future__ import annotations

from benchmarks.models import alignment


def test_benchmark_reports_every_candidate() -> None:
    text = alignment.main(rounds=1, rows=6, width=8)
    for name in alignment.LOSSES:
        assert f"| {name} |" in text
    assert "B = 6, D = 8" in text


def test_the_forms_of_the_triplet_loss_agree() -> None:
    given = alignment.random_embeddings(7, 9)
    values = {name: alignment.take_loss(alignment.LOSSES[name], given) for name in alignment.LOSSES}
    same = [values[name] for name in alignment.SAME]
    assert max(same) - min(same) < 1e-5
    assert abs(values["pairs"] - same[0]) > 1e-2
