"""Published losses for three modalities that compete with L_triplet: GRAM, PMRL, Symile.

They are written for the rows of all ranks like L_triplet, and take three modalities, the first as the anchor.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar

import torch
from torch import Tensor

from equipose.models.alignment.contrast import first_is_true, true_class
from equipose.models.alignment.sphere import SharedRows
from equipose.models.alignment.terms.negatives import Negatives
from equipose.models.alignment.terms.symmetric_eigen import leading, singular_values


@dataclass(frozen=True, kw_only=True)
class HigherOrder:
    """What a term over three modalities offers."""

    name: ClassVar[str]
    """Key of its loss."""
    needs_pairs: ClassVar[bool] = False
    """Refused without L_pair."""

    def __call__(self, rows: SharedRows, inverse_tau: Tensor, generator: torch.Generator) -> Tensor:
        """The loss, mean over this rank's rows; the generator has the same state on all ranks."""
        raise NotImplementedError


def _check_positive(config: HigherOrder, *names: str) -> None:
    known = {field.name for field in fields(config)}
    for name in known.intersection(names):
        if not getattr(config, name) > 0:
            raise ValueError(f"{name}={getattr(config, name)}: use a positive number")


@dataclass(frozen=True, kw_only=True)
class Gram(HigherOrder):
    """GRAM (Cicchetti et al., "Gramian multimodal representation learning and alignment", ICLR 2025).

    The logit is minus the volume spanned by the vectors, sqrt(det G), of an anchor i with the others of row
    j, both ways, over a temperature of its own. Blind to signs. Its matching head is not part of it.
    """

    name: ClassVar[str] = "gram"
    tau: float = 0.07
    smoothing: float = 0.1
    """Share of the target that is spread over all rows."""
    floor: float = 1e-6
    """Smallest determinant under the root, whose gradient is infinite at exact alignment. Ours."""

    def __post_init__(self) -> None:
        _check_positive(self, "tau", "floor")
        if not 0 <= self.smoothing < 1:
            raise ValueError(f"smoothing={self.smoothing}: use a share in [0, 1)")

    def volume(self, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        """sqrt(1 + 2 a b c - a^2 - b^2 - c^2), at least sqrt(floor)."""
        return (1 + 2 * a * b * c - a**2 - b**2 - c**2).clamp_min(self.floor).sqrt()

    def __call__(self, rows: SharedRows, inverse_tau: Tensor, generator: torch.Generator) -> Tensor:
        """The mean of both ways."""
        anchor, second, third = rows.names
        others = (rows.everyone[second] * rows.everyone[third]).sum(-1)
        forth = self.volume(rows.cosines(anchor, second), rows.cosines(anchor, third), others[None])
        own = others[rows.index][:, None]
        back = self.volume(rows.cosines(second, anchor), rows.cosines(third, anchor), own)
        both = [true_class(-volume / self.tau, rows.index, self.smoothing) for volume in (forth, back)]
        return (both[0] + both[1]) / 2


@dataclass(frozen=True, kw_only=True)
class PMRL(HigherOrder):
    """PMRL (Liu et al., "Principled multimodal representation learning", arXiv 2507.17343).

    A softmax over the three singular values of each row asks for the first to dominate, without negatives; a
    second one, over the leading directions of all rows, keeps rows apart. A singular vector has no sign of
    its own; here it points towards the mean of the embeddings, so that the loss does not depend on a solver.
    """

    name: ClassVar[str] = "pmrl"
    tau: float = 0.05
    """Temperature of the singular values."""
    tau_rows: float = 0.1
    """Temperature of the comparison of rows."""

    def __post_init__(self) -> None:
        _check_positive(self, "tau", "tau_rows")

    def __call__(self, rows: SharedRows, inverse_tau: Tensor, generator: torch.Generator) -> Tensor:
        """The sum of both softmax losses."""
        stacked = torch.stack([rows.everyone[name] for name in rows.names], 1)
        directions = leading(stacked)
        logits = directions[rows.index] @ directions.T / self.tau_rows
        return first_is_true(singular_values(stacked[rows.index]) / self.tau) + true_class(logits, rows.index)


@dataclass(frozen=True, kw_only=True)
class Symile(HigherOrder):
    """Symile (Saporta et al., "Contrasting with Symile", NeurIPS 2024).

    The logit is sum_d x_d y_d z_d over tau. Every modality is the anchor once; the loss is the mean.
    """

    name: ClassVar[str] = "symile"
    negatives: Negatives = "sampled"
    """`sampled`: the others shuffled once, B - 1 for every anchor. `all`: B^2 - 1, an anchor at a time."""
    mask_collisions: bool = True
    """Leave out shuffled triplets that happen to be the true one; False is as published."""

    def __post_init__(self) -> None:
        if self.negatives not in ("sampled", "all"):
            raise ValueError(f"negatives={self.negatives!r}: use 'sampled' or 'all'")

    def __call__(self, rows: SharedRows, inverse_tau: Tensor, generator: torch.Generator) -> Tensor:
        """The mean over the three anchors."""
        losses = []
        for anchor in rows.names:
            second, third = (name for name in rows.names if name != anchor)
            if self.negatives == "all":
                losses.append(self._against_all(rows, anchor, (second, third), inverse_tau))
            else:
                losses.append(self._against_shuffled(rows, anchor, (second, third), inverse_tau, generator))
        return torch.stack(losses).mean()

    def _against_shuffled(
        self,
        rows: SharedRows,
        anchor: str,
        others: tuple[str, str],
        inverse_tau: Tensor,
        generator: torch.Generator,
    ) -> Tensor:
        shuffled = torch.rand(2, rows.total, generator=generator, device=generator.device).argsort(-1)
        j, k = shuffled.to(rows.index.device)
        second, third = (rows.everyone[name] for name in others)
        logits = rows.local[anchor] @ (second[j] * third[k]).T * inverse_tau
        own, index = torch.arange(rows.count, device=logits.device), rows.index
        true = (rows.local[anchor] * second[index] * third[index]).sum(-1)
        if self.mask_collisions:
            same = (j == index[:, None]) & (k == index[:, None])
            logits = logits.masked_fill(same, -torch.inf)
        return true_class(logits.index_put((own, index), true * inverse_tau), index)

    def _against_all(
        self, rows: SharedRows, anchor: str, others: tuple[str, str], inverse_tau: Tensor
    ) -> Tensor:
        second, third = (rows.everyone[name] for name in others)
        losses = []
        for own, i in zip(rows.local[anchor], rows.index.tolist(), strict=True):
            logits = ((own * second) @ third.T * inverse_tau).flatten()
            losses.append(logits.logsumexp(0) - logits[i * rows.total + i])
        return torch.stack(losses).mean()
