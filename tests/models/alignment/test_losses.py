"""Losses equal the formulas as printed, and rank by rank they equal the whole batch."""

from __future__ import annotations

import threading
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from equipose.models.alignment.contrast import pair_loss
from equipose.models.alignment.losses import AlignmentLoss
from equipose.models.alignment.sphere import SharedRows, for_decoders, one_rank, unit
from equipose.models.alignment.temperature import Temperature
from equipose.models.alignment.terms.higher_order import HIGHER_ORDER, Cosines, Triplet
from equipose.models.alignment.terms.negatives import collisions, sampled_triplets
from equipose.models.alignment.terms.rivals import PMRL, Gram, HigherOrder, Symile

NAMES = ("image", "flat", "solid")
TERMS: dict[str, HigherOrder | None] = {
    **{name: kind() for name, kind in HIGHER_ORDER.items()},
    "triplet, all": Triplet(negatives="all"),
    "symile, all": Symile(negatives="all"),
    "none": None,
}
TAU = 0.2


def embeddings(rows: int = 8, width: int = 5, seed: int = 0) -> dict[str, Tensor]:
    """Random, of unequal lengths, in float64, and somewhat alike in each row."""
    rng = torch.Generator().manual_seed(seed)
    common = torch.randn(rows, width, generator=rng, dtype=torch.float64)
    return {
        name: (3 + n) * (common + torch.randn(rows, width, generator=rng, dtype=torch.float64))
        for n, name in enumerate(NAMES)
    }


def rng() -> torch.Generator:
    """A new generator in the same state."""
    return torch.Generator().manual_seed(5)


def shared(rows: int = 8) -> SharedRows:
    """Rows of one rank."""
    return SharedRows.of(embeddings(rows), one_rank, 0)


def as_printed(given: dict[str, Tensor], j: Tensor, k: Tensor) -> Tensor:
    """L_triplet with every matrix M [3, D] written out: [B, N] of lambda1 = sigma1^2, true one first."""
    x, y, z = (F.normalize(given[name], dim=-1) for name in NAMES)
    stacked = torch.stack([x[:, None].expand(-1, j.shape[1], -1), y[j], z[k]], 2)
    return torch.linalg.svdvals(stacked)[..., 0] ** 2


def softmax_loss(logits: Tensor) -> Tensor:
    """-log softmax of column 0, mean over rows."""
    return (logits.logsumexp(1) - logits[:, 0]).mean()


def test_pair_loss_is_the_formula() -> None:
    given = embeddings()
    x, y = (F.normalize(given[name], dim=-1) for name in ("image", "flat"))
    cosines = x @ y.T / TAU
    forth = -torch.stack([(cosines[b].exp() / cosines[b].exp().sum()).log()[b] for b in range(8)]).mean()
    back = -torch.stack([(cosines[:, b].exp() / cosines[:, b].exp().sum()).log()[b] for b in range(8)]).mean()
    inverse = torch.tensor(1 / TAU, dtype=torch.float64)
    one_way = pair_loss(shared(), "image", "flat", inverse, "one_way")
    torch.testing.assert_close(one_way, forth)
    torch.testing.assert_close(pair_loss(shared(), "image", "flat", inverse), (forth + back) / 2)
    assert (forth - back).abs() > 1e-3


@pytest.mark.parametrize("masked", [True, False])
def test_triplet_loss_equals_the_printed_one_on_the_same_negatives(masked: bool) -> None:
    given, inverse, own = embeddings(4), torch.tensor(1 / TAU, dtype=torch.float64), torch.arange(4)
    j, k = sampled_triplets(4, own, rng())
    logits = as_printed(given, j, k) * inverse
    hits = collisions(j, k, own)
    assert hits.any(), "this seed must draw a collision"
    wanted = softmax_loss(logits.masked_fill(hits, -torch.inf) if masked else logits)
    found = Triplet(mask_collisions=masked)(shared(4), inverse, rng())
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-10)


def test_all_negatives_are_every_other_pair() -> None:
    given, inverse = embeddings(), torch.tensor(1 / TAU, dtype=torch.float64)
    others = [[(b, b), *((j, k) for j in range(8) for k in range(8) if (j, k) != (b, b))] for b in range(8)]
    j, k = torch.tensor(others).unbind(-1)
    wanted = softmax_loss(as_printed(given, j, k) * inverse)
    torch.testing.assert_close(Triplet(negatives="all")(shared(), inverse, rng()), wanted)


def test_sampled_triplets_are_permutations_behind_the_true_one() -> None:
    j, k = sampled_triplets(6, torch.arange(6), rng())
    for columns in (j, k):
        assert torch.equal(columns[:, 0], torch.arange(6))
        assert all(len(set(row[1:].tolist())) == 5 for row in columns)
    assert not torch.equal(j, k)
    assert len({tuple(row[1:].tolist()) for row in j}) > 1, "every anchor has its own shuffle"
    some = sampled_triplets(6, torch.tensor([2, 3]), rng())
    assert torch.equal(some[0], j[2:4])


def test_collisions_are_the_true_triplet_again() -> None:
    j, k = torch.tensor([[0, 0, 2], [1, 0, 1]]), torch.tensor([[0, 0, 0], [1, 0, 2]])
    hit = collisions(j, k, torch.tensor([0, 1]))
    assert hit.tolist() == [[False, True, False], [False, False, False]]


def test_cosines_bound_the_eigenvalue_from_below() -> None:
    a, b, c = torch.randn(3, 100, generator=rng(), dtype=torch.float64).tanh()
    assert (Triplet().score(a, b, c) >= 1 + Cosines().score(a, b, c) - 1e-12).all()
    same = [a.abs()] * 3
    torch.testing.assert_close(Triplet().score(*same), 1 + Cosines().score(*same))


def test_only_the_sum_of_cosines_sees_an_opposite_embedding() -> None:
    given, inverse = embeddings(), torch.tensor(1 / TAU, dtype=torch.float64)
    flipped = given | {"flat": -given["flat"]}
    for term, blind in ((Triplet(), True), (Gram(), True), (Cosines(), False), (Symile(), False)):
        one, other = (term(SharedRows.of(e, one_rank, 0), inverse, rng()) for e in (given, flipped))
        assert torch.isclose(one, other) == blind, term


def test_gram_is_the_volume_both_ways() -> None:
    x, y, z = (F.normalize(rows, dim=-1) for rows in embeddings().values())
    matrices = torch.stack([torch.stack([x[i], y[j], z[j]]) for i in range(8) for j in range(8)])
    volumes = torch.linalg.det(matrices @ matrices.mT).sqrt().view(8, 8)
    own = torch.arange(8)
    wanted = sum(F.cross_entropy(-v / 0.07, own, label_smoothing=0.1) for v in (volumes, volumes.T)) / 2
    torch.testing.assert_close(Gram()(shared(), torch.ones(()), rng()), wanted)


def test_pmrl_is_two_softmax_losses_of_the_decomposition() -> None:
    stacked = torch.stack([F.normalize(rows, dim=-1) for rows in embeddings().values()], 1)
    _, values, directions = torch.linalg.svd(stacked, full_matrices=False)
    first = directions[:, 0] * (directions[:, 0] * stacked.sum(1)).sum(-1, keepdim=True).sign()
    wanted = softmax_loss(values / 0.05) + F.cross_entropy(first @ first.T / 0.1, torch.arange(8))
    torch.testing.assert_close(PMRL()(shared(), torch.ones(()), rng()), wanted)


def test_symile_against_all_is_the_product_over_every_pair() -> None:
    rows = [F.normalize(rows, dim=-1) for rows in embeddings(5).values()]
    inverse, total = torch.tensor(1 / TAU, dtype=torch.float64), []
    for n in range(3):
        x, y, z = rows[n], *(rows[m] for m in range(3) if m != n)
        logits = torch.einsum("id,jd,kd->ijk", x, y, z).flatten(1) * inverse
        own = torch.arange(5)
        total.append((logits.logsumexp(1) - logits[own, own * 5 + own]).mean())
    torch.testing.assert_close(Symile(negatives="all")(shared(5), inverse, rng()), sum(total) / 3)


def test_symile_masks_shuffles_that_are_the_true_triplet() -> None:
    inverse = torch.tensor(1 / TAU, dtype=torch.float64)
    losses = []
    for mask in (True, False):
        rows = shared(3)
        losses.append(Symile(mask_collisions=mask)(rows, inverse, torch.Generator().manual_seed(2)))
    assert losses[0] < losses[1]


@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_aligned_orthogonal_and_opposite_rows_have_finite_losses(name: str, dtype: torch.dtype) -> None:
    loss = AlignmentLoss(AlignmentLoss.Config(higher=TERMS[name]))
    same = torch.eye(6, dtype=dtype)
    for signs in ((1, 1, 1), (1, -1, 1)):
        given = {n: (sign * same).clone().requires_grad_() for n, sign in zip(NAMES, signs, strict=True)}
        total = torch.stack(list(loss(given, generator=rng()).values())).sum()
        total.backward()
        assert total.isfinite()
        assert all(rows.grad is not None and rows.grad.isfinite().all() for rows in given.values())


@pytest.mark.parametrize("name", TERMS)
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    loss = AlignmentLoss(AlignmentLoss.Config(higher=TERMS[name])).double()

    def total(*rows: Tensor) -> Tensor:
        return torch.stack(list(loss(dict(zip(NAMES, rows, strict=True)), generator=rng()).values())).sum()

    given = [rows.requires_grad_() for rows in embeddings(4).values()]
    assert torch.autograd.gradcheck(total, given)


def run_ranks(loss: AlignmentLoss, whole: dict[str, Tensor], ranks: int) -> Tensor:
    """The mean loss of ranks that each hold a share; threads exchange rows as processes would.

    Their graphs join in what is exchanged, so one backward pass gives what adding up over ranks gives.
    """
    share = len(whole["image"]) // ranks
    barrier = threading.Barrier(ranks, timeout=60)
    posted: list[list[Tensor]] = [[] for _ in range(ranks)]
    totals: list[Any] = [None] * ranks

    def rank_main(rank: int) -> None:
        def gather(rows: Tensor) -> Tensor:
            posted[rank].append(rows)
            barrier.wait()
            return torch.cat([each[len(posted[rank]) - 1] for each in posted])

        start = rank * share
        own = {name: rows[start : start + share] for name, rows in whole.items()}
        totals[rank] = sum(loss(own, generator=rng(), gather=gather, start=start).values())

    threads = [threading.Thread(target=rank_main, args=(rank,)) for rank in range(ranks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return torch.stack(totals).mean()


@pytest.mark.parametrize("direction", ["symmetric", "one_way"])
@pytest.mark.parametrize("name", TERMS)
def test_two_ranks_equal_one(name: str, direction: Any) -> None:
    config = AlignmentLoss.Config(higher=TERMS[name], direction=direction, alpha=0.7)
    results = []
    for ranks in (1, 2, 4):
        loss = AlignmentLoss(config).double()
        whole = {key: rows.requires_grad_() for key, rows in embeddings(8).items()}
        total = run_ranks(loss, whole, ranks)
        total.backward()
        inner = loss.temperature.log_inverse.grad
        assert inner is not None
        assert inner.abs() > 1e-6
        results.append([total.detach(), inner, *(rows.grad for rows in whole.values())])
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            torch.testing.assert_close(two, one, rtol=0, atol=1e-10)


def test_names_say_what_was_added_up() -> None:
    given = embeddings()
    for name, term in TERMS.items():
        named = AlignmentLoss(AlignmentLoss.Config(higher=term))(given, generator=rng())
        assert list(named) == ["pair", name.split(",")[0]] if term else ["pair"]
        assert all(value.shape == () for value in named.values())
    assert [kind.name for kind in HIGHER_ORDER.values()] == list(HIGHER_ORDER)


def test_weights_and_pairs_are_obeyed() -> None:
    given, base = embeddings(), AlignmentLoss.Config()
    whole = AlignmentLoss(base).double()(given, generator=rng())
    half = AlignmentLoss(replace(base, alpha=0.5)).double()(given, generator=rng())
    torch.testing.assert_close(half["triplet"], whole["triplet"] / 2)
    assert "triplet" not in AlignmentLoss(replace(base, alpha=0))(given, generator=rng())
    singles = [
        AlignmentLoss(replace(base, pairs=(pair,), higher=None)).double()(given, generator=rng())["pair"]
        for pair in combinations(NAMES, 2)
    ]
    torch.testing.assert_close(torch.stack(singles).sum(), whole["pair"])


def test_any_number_of_modalities_can_be_paired() -> None:
    config = AlignmentLoss.Config(higher=None)
    two = {name: rows for name, rows in embeddings().items() if name != "solid"}
    assert AlignmentLoss(config)(two, generator=rng())["pair"].isfinite()
    four = embeddings() | {"radar": embeddings(seed=1)["flat"]}
    assert AlignmentLoss(config)(four, generator=rng())["pair"].isfinite()
    with pytest.raises(ValueError, match=r"4 modalities .* higher=None"):
        AlignmentLoss(AlignmentLoss.Config())(four, generator=rng())


def test_lengths_do_not_matter_and_decoders_get_one_scale() -> None:
    given = embeddings()
    loss = AlignmentLoss(AlignmentLoss.Config()).double()
    one, other = (
        loss({n: factor * rows for n, rows in given.items()}, generator=rng()) for factor in (1.0, 7.0)
    )
    torch.testing.assert_close(one, other)
    scaled = for_decoders(given["flat"])
    torch.testing.assert_close(scaled.norm(dim=-1), torch.full((8,), 5**0.5, dtype=torch.float64))
    assert unit(given["flat"].half()).dtype == torch.float32


def test_half_precision_is_left_before_cosines_are_taken() -> None:
    given = {name: rows.bfloat16() for name, rows in embeddings().items()}
    loss = AlignmentLoss(AlignmentLoss.Config())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = loss(given, generator=rng())
    outside = loss({name: rows.float() for name, rows in given.items()}, generator=rng())
    assert inside["pair"].dtype == torch.float32
    torch.testing.assert_close(inside, outside)


def test_tau_is_clamped_after_the_step_and_can_leave_the_bound() -> None:
    temperature = Temperature(Temperature.Config(start=1 / 14))
    assert temperature.tau == pytest.approx(1 / 14)
    optimizer = torch.optim.SGD(temperature.parameters(), lr=1.0)

    def step(wanted: float) -> None:
        optimizer.zero_grad()
        (wanted * temperature.inverse).backward()
        optimizer.step()
        temperature.clamp_()

    step(-1.0)
    assert temperature.tau == pytest.approx(1 / 100)
    step(1e-3)
    assert temperature.tau > 1.05 / 100
    step(100.0)
    assert temperature.tau == pytest.approx(1e4)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pairs": ()}, "blind to signs"),
        ({"pairs": (), "higher": Triplet(negatives="all")}, "blind to signs"),
        ({"pairs": (), "higher": None}, "nothing to learn"),
        ({"pairs": (), "alpha": 0.0}, "nothing to learn"),
        ({"alpha": -1.0}, "alpha=-1.0"),
        ({"alpha": float("nan")}, "alpha=nan"),
        ({"direction": "both"}, "direction='both'"),
        ({"pairs": (("image", "image"),)}, "two different"),
    ],
)
def test_settings_that_cannot_work_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        AlignmentLoss.Config(**change)


def test_terms_that_are_not_blind_stand_alone() -> None:
    for term in (Cosines(), Symile()):
        loss = AlignmentLoss(AlignmentLoss.Config(pairs=(), higher=term))
        assert list(loss(embeddings(), generator=rng())) == [term.name]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Triplet(negatives="some"), "negatives='some'"),  # type: ignore[arg-type]
        (lambda: Symile(negatives="some"), "negatives='some'"),  # type: ignore[arg-type]
        (lambda: Gram(tau=0), "tau=0"),
        (lambda: Gram(smoothing=1), "smoothing=1"),
        (lambda: PMRL(tau_rows=-1), "tau_rows=-1"),
        (lambda: Temperature.Config(start=1, low=2), "start=1"),
    ],
)
def test_values_out_of_range_are_refused(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


def test_rows_that_do_not_fit_are_refused() -> None:
    loss = AlignmentLoss(AlignmentLoss.Config())
    given = embeddings()
    with pytest.raises(ValueError, match="the same for every modality"):
        loss(given | {"flat": given["flat"][:3]}, generator=rng())
    with pytest.raises(ValueError, match="start=1"):
        loss(given, generator=rng(), start=1)
    with pytest.raises(ValueError, match=r"\['radar'\]"):
        AlignmentLoss(AlignmentLoss.Config(pairs=(("image", "radar"),)))(given, generator=rng())
