"""Terms that look at three modalities together: L_triplet of UniHPE, the sum of cosines, and rivals.

Each is a frozen config that is called with the rows, 1 / tau and a generator, and gives a scalar.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, get_args

import torch
from torch import Tensor

from equipose.models.alignment.contrast import first_is_true
from equipose.models.alignment.sphere import SharedRows
from equipose.models.alignment.terms.eigenvalue import largest_eigenvalue
from equipose.models.alignment.terms.negatives import Negatives, collisions, sampled_triplets
from equipose.models.alignment.terms.rivals import PMRL, Gram, HigherOrder, Symile


@dataclass(frozen=True, kw_only=True)
class Triplet(HigherOrder):
    """L_triplet = -log exp(lambda1+ / tau) / sum_i exp(lambda1_i / tau) of UniHPE; see `eigenvalue`.

    The anchor is the first modality. Everything is gathered from the cosines of pairs: B x B numbers in place
    of B x B x 3 x D. Blind to signs, so it is refused without L_pair: alone, (x, -x, x) is a minimum too.
    """

    name: ClassVar[str] = "triplet"
    needs_pairs: ClassVar[bool] = True
    negatives: Negatives = "sampled"
    mask_collisions: bool = True
    """Leave out shuffled triplets that happen to be the true one; False is as published."""

    def __post_init__(self) -> None:
        if self.negatives not in get_args(Negatives):
            raise ValueError(f"negatives={self.negatives!r}: use 'sampled' or 'all'")

    def score(self, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        """Agreement of triplets with cosines a, b, c."""
        return largest_eigenvalue(a, b, c)

    def __call__(self, rows: SharedRows, inverse_tau: Tensor, generator: torch.Generator) -> Tensor:
        """The loss, mean over this rank's anchors."""
        if self.negatives == "all":
            return self._against_all(rows, inverse_tau)
        anchor, second, third = rows.names
        j, k = sampled_triplets(rows.total, rows.index, generator)
        c = rows.all_cosines(second, third).flatten().index_select(0, (j * rows.total + k).flatten())
        a, b = rows.cosines(anchor, second).gather(1, j), rows.cosines(anchor, third).gather(1, k)
        logits = self.score(a, b, c.view_as(a)) * inverse_tau
        if self.mask_collisions:
            logits = logits.masked_fill(collisions(j, k, rows.index), -torch.inf)
        return first_is_true(logits)

    def _against_all(self, rows: SharedRows, inverse_tau: Tensor) -> Tensor:
        """Every (j, k) for every anchor: memory grows with R B^2."""
        anchor, second, third = rows.names
        a, b = rows.cosines(anchor, second)[:, :, None], rows.cosines(anchor, third)[:, None]
        logits = self.score(a, b, rows.all_cosines(second, third)[None]) * inverse_tau
        own = torch.arange(rows.count, device=logits.device)
        return (logits.flatten(1).logsumexp(1) - logits[own, rows.index, rows.index]).mean()


@dataclass(frozen=True, kw_only=True)
class Cosines(Triplet):
    """The same with 2 (a + b + c) / 3 for lambda1: linear, and not blind to signs.

    1 + 2 (a + b + c) / 3 never exceeds lambda1 and equals it where a = b = c >= 0, so this is the control
    that tells whether the eigenvalue itself matters. Ours.
    """

    name: ClassVar[str] = "cosines"
    needs_pairs: ClassVar[bool] = False

    def score(self, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        """Agreement of triplets with cosines a, b, c."""
        return (a + b + c) * (2 / 3)


HIGHER_ORDER: Mapping[str, type[HigherOrder]] = MappingProxyType(
    {"triplet": Triplet, "cosines": Cosines, "gram": Gram, "pmrl": PMRL, "symile": Symile}
)
"""name -> term; without any, only pairs are compared."""
