"""L_cl = L_pair + alpha L_triplet of UniHPE, and every alternative to it, as one configured loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import get_args

import torch
from torch import Tensor, nn

from equipose.models.alignment.contrast import Direction, pair_loss
from equipose.models.alignment.sphere import Gather, SharedRows, one_rank
from equipose.models.alignment.temperature import Temperature
from equipose.models.alignment.terms.higher_order import Triplet
from equipose.models.alignment.terms.rivals import HigherOrder

TRIPLE = 3


class AlignmentLoss(nn.Module):
    """Embeddings of several modalities to named losses; their sum is what to minimise.

    Negatives are the rows of the global batch. Each rank takes the mean over its own rows, so the average
    over ranks, which data-parallel training takes of the gradients anyway, is the loss of one rank with all.
    """

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """The default is L_cl of UniHPE with both directions of L_pair."""

        pairs: tuple[tuple[str, str], ...] | None = None
        """Pairs (S, T) of L_pair, whose losses add up; None: every pair, (): no L_pair. Where both of a pair
        are frozen (2D and 3D in UniHPE's second stage), it only moves tau, so leave it out. One modality in
        all pairs is the anchor of ImageBind (Girdhar et al., CVPR 2023)."""
        direction: Direction = "symmetric"
        higher: HigherOrder | None = field(default_factory=Triplet)
        """The term over three modalities; None compares pairs only."""
        alpha: float = 1.0
        """Weight of that term; 0 leaves it out."""
        tau: Temperature.Config = field(default_factory=Temperature.Config)

        def __post_init__(self) -> None:
            if self.direction not in get_args(Direction):
                raise ValueError(f"direction={self.direction!r}: use one of {get_args(Direction)}")
            if not self.alpha >= 0:
                raise ValueError(f"alpha={self.alpha}: use 0 or more")
            if any(source == target for source, target in self.pairs or ()):
                raise ValueError(f"pairs={self.pairs}: name two different modalities in each")
            if self.pairs == () and self.term is None:
                raise ValueError("pairs=() and no higher term leave nothing to learn; give one of the two")
            if self.pairs == () and self.term is not None and self.term.needs_pairs:
                raise ValueError(
                    f"pairs=() with higher={type(self.higher).__name__}: the eigenvalue is blind to signs, "
                    "so alone it also accepts opposite embeddings; give pairs, or higher=Cosines()"
                )

        @property
        def term(self) -> HigherOrder | None:
            """The term over three modalities if it counts."""
            return self.higher if self.alpha else None

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.temperature = Temperature(config.tau)

    def forward(
        self,
        embeddings: Mapping[str, Tensor],
        *,
        generator: torch.Generator,
        gather: Gather = one_rank,
        start: int = 0,
    ) -> dict[str, Tensor]:
        """Scalars `pair` and the higher term's name, already weighted.

        embeddings: modality -> this rank's rows [R, D], of any length; the first is the anchor of triplets.
        generator: in the same state on all ranks. start: position of this rank's rows among those gathered.
        Similarities are computed in float32 or better, also under autocast.
        """
        terms = self._names(tuple(embeddings))
        device = next(iter(embeddings.values())).device.type
        with torch.autocast(device, enabled=False):
            rows = SharedRows.of(embeddings, gather, start)
            inverse = self.temperature.inverse.to(rows.local[rows.names[0]].dtype)
            losses = [pair_loss(rows, *pair, inverse, self.config.direction) for pair in terms]
            named = {"pair": torch.stack(losses).sum()} if losses else {}
            if self.config.term is not None:
                named[self.config.term.name] = self.config.alpha * self.config.term(rows, inverse, generator)
        return named

    def _names(self, known: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
        """The pairs to compare; ValueError where the modalities do not fit the configuration."""
        if len(known) < 2 or (self.config.term is not None and len(known) != TRIPLE):
            raise ValueError(
                f"{len(known)} modalities {list(known)}: pairs take two or more, the higher term three; "
                "set higher=None for another number"
            )
        pairs = tuple(combinations(known, 2)) if self.config.pairs is None else self.config.pairs
        if unknown := sorted({name for pair in pairs for name in pair} - set(known)):
            raise ValueError(f"pairs name {unknown}, but the embeddings are of {list(known)}")
        return pairs
