"""What L_triplet costs: as printed, by other solvers, and in closed form from the cosines of pairs.

UniHPE (arXiv 2311.16477, table 7) reports the time of a batch with L_pair alone, with the singular value and
with the eigenvalue. Here only the losses are timed, from embeddings to their gradients, so shares are larger.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from benchmarks.timing import Measurement, compare, one_thread
from equipose.models.alignment.sphere import SharedRows
from equipose.models.alignment.terms.higher_order import Triplet
from equipose.models.alignment.terms.rivals import Gram
from equipose.models.randomness import torch_rng
from equipose.orchestrator.unihpe.paper.cost import (
    TAU,
    Loss,
    as_printed,
    in_closed_form,
    pairs,
    random_embeddings,
    take_loss,
)

SOLVER_BOUND, PRINTED_BOUND = 2.0, 50.0
"""How much faster the closed form must be than `eigvalsh` on the same cosines, and than the printed form."""


@dataclass(frozen=True, kw_only=True)
class BySolver(Triplet):
    """L_triplet from the same cosines, its eigenvalue by `eigvalsh`."""

    def score(self, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        """The largest eigenvalue."""
        one = torch.ones_like(a)
        gram = torch.stack([one, a, b, a, one, c, b, c, one], -1).unflatten(-1, (3, 3))
        return torch.linalg.eigvalsh(gram)[..., -1]


def term(kind: Triplet | Gram, rows: SharedRows) -> Tensor:
    """A term over three modalities."""
    return kind(rows, torch.tensor(1 / TAU), torch_rng(0))


LOSSES: dict[str, Loss] = {
    "pairs": pairs,
    "ours": in_closed_form,
    "eigvalsh, from cosines": partial(term, BySolver(mask_collisions=False)),
    "eigenvalue, as printed": partial(as_printed, singular=False),
    "singular value, as printed": partial(as_printed, singular=True),
    "ours, all negatives": partial(term, Triplet(negatives="all")),
    "GRAM": partial(term, Gram()),
}
"""What is timed; four of them compute the same number."""
SAME = ("ours", "eigvalsh, from cosines", "eigenvalue, as printed", "singular value, as printed")


def ratio(slow: Measurement, fast: Measurement) -> float:
    """Median over rounds of how much longer the first takes."""
    return statistics.median(s / f for s, f in zip(slow.seconds, fast.seconds, strict=True))


def main(rounds: int = 3, rows: int = 180, width: int = 1024) -> str:
    """The table and the bounds, on one thread; the printed form needs about 2 GB at the defaults."""
    given = random_embeddings(rows, width)
    values = [take_loss(LOSSES[name], given) for name in SAME]
    torch.testing.assert_close(values, [values[0]] * len(values), rtol=1e-4, atol=1e-4)
    with one_thread():
        candidates = {name: partial(take_loss, loss, given) for name, loss in LOSSES.items()}
        measured = {m.name: m for m in compare(candidates, rounds=rounds, clock=time.process_time)}
    base, ours = measured.pop("pairs"), measured["ours"]
    lines = [
        f"### Losses of one space, forward and backward, B = {rows}, D = {width} (CPU time, one thread)",
        "",
        "| term | median | pairs and term, over pairs | ours is faster by |",
        "|---|---|---|---|",
        f"| {base.name} | {1e3 * base.median:.1f} ms | 1.0 | |",
        *(
            f"| {m.name} | {1e3 * m.median:.1f} ms | {1 + ratio(m, base):.1f} | {ratio(m, ours):.1f}x |"
            for m in measured.values()
        ),
        "",
        f"Bounds at B = 180, D = 1024: {SOLVER_BOUND:.0f}x over eigvalsh, {PRINTED_BOUND:.0f}x over printed.",
    ]
    return "\n".join(lines)
