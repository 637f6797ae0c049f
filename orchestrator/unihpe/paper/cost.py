"""The time of a batch with every way to the term over three: table 7 of UniHPE.

A step of training with pairs alone is timed where it runs. The term is timed by itself, from embeddings to
their gradients, at the step's batch and width, and added: the rest of a step is the same in all rows.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from equipose.models.alignment.contrast import first_is_true
from equipose.models.alignment.losses import AlignmentLoss
from equipose.models.alignment.sphere import SharedRows, one_rank
from equipose.models.alignment.terms.higher_order import Triplet
from equipose.models.alignment.terms.negatives import sampled_triplets
from equipose.models.randomness import torch_rng
from equipose.orchestrator.grid.run_spec import RunResult

Loss = Callable[[SharedRows], Tensor]
NAMES = ("image", "flat", "solid")
TAU = 0.2
ROUNDS = 5


def as_printed(rows: SharedRows, *, singular: bool) -> Tensor:
    """L_triplet with every matrix M [3, D] written out; lambda1 of M M' or the squared sigma1 of M."""
    j, k = sampled_triplets(rows.total, rows.index, torch_rng(0))
    x, y, z = (rows.everyone[name] for name in rows.names)
    stacked = torch.stack([x[:, None].expand(-1, rows.total, -1), y[j], z[k]], 2)
    if singular:
        scores = torch.linalg.svdvals(stacked)[..., 0].square()
    else:
        scores = torch.linalg.eigvalsh(stacked @ stacked.mT)[..., -1]
    return first_is_true(scores / TAU)


def pairs(rows: SharedRows) -> Tensor:
    """The three symmetric L_pair."""
    loss = AlignmentLoss(AlignmentLoss.Config(higher=None))
    return loss(rows.everyone, generator=torch_rng(0))["pair"]


def in_closed_form(rows: SharedRows) -> Tensor:
    """L_triplet as it is trained here."""
    return Triplet(mask_collisions=False)(rows, torch.tensor(1 / TAU), torch_rng(0))


WAYS: Mapping[str, Loss] = {
    "singular": lambda rows: as_printed(rows, singular=True),
    "eigenvalue": lambda rows: as_printed(rows, singular=False),
    "closed": in_closed_form,
}
"""Row of the table -> the term."""


@dataclass(frozen=True, kw_only=True)
class BatchCost:
    """Seconds of a batch, and what a row adds to the first, in per cent."""

    batch_s: float
    added_percent: float


def random_embeddings(rows: int, width: int) -> dict[str, Tensor]:
    """Of three modalities, [rows, width] each, somewhat alike in each row."""
    rng = torch_rng(0, "benchmark", "alignment")
    common = torch.randn(rows, width, generator=rng)
    return {name: common + torch.randn(rows, width, generator=rng) for name in NAMES}


def take_loss(loss: Loss, given: Mapping[str, Tensor]) -> float:
    """One loss and its gradients; the value."""
    rows = SharedRows.of({name: x.detach().requires_grad_() for name, x in given.items()}, one_rank, 0)
    value = loss(rows)
    value.backward()
    return value.item()


def batch_costs(pairs_run: RunResult, width: int, rounds: int = ROUNDS) -> dict[str, BatchCost]:
    """Row of table 7 -> its cost; `pairs_run` is the last stage with pairs alone.

    Other runs share the machine while runs train and not while terms are timed, so shares are low rather
    than high.
    """
    step = step_seconds(pairs_run)
    given = random_embeddings(pairs_run.config.data.batch.batch_size, width)
    terms = {name: _median_seconds(loss, given, rounds) for name, loss in WAYS.items()}
    return {"pairs": BatchCost(batch_s=step, added_percent=0.0)} | {
        name: BatchCost(batch_s=step + seconds, added_percent=100 * seconds / step)
        for name, seconds in terms.items()
    }


def step_seconds(result: RunResult) -> float:
    """Median over epochs of the time of a step."""
    steps = result.history[-1]["steps/method"] + result.history[-1]["steps/plain"]
    return statistics.median(result.series("time/train_s")) * len(result.history) / steps


def _median_seconds(loss: Loss, given: Mapping[str, Tensor], rounds: int) -> float:
    take_loss(loss, given)
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        take_loss(loss, given)
        found.append(time.perf_counter() - start)
    return statistics.median(found)
