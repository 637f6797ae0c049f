"""Which subsets of the modalities are evaluated, a model's prediction from each, and their Shapley values.

Features are computed once; an absent modality is a zeroed feature (the AWC paper), so a coalition costs one
fusion and no encoder. Up to `EXACT_PLAYERS` modalities all 2^M coalitions are evaluated; beyond that a
sample of them, see `equipose.balancing.shapley.sampled`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from equipose.balancing.shapley.sampled import sampled_maps
from equipose.balancing.shapley.values import MAX_PLAYERS, shapley_matrix
from equipose.models.sensors import subset_name

if TYPE_CHECKING:
    from equipose.models.base import SensorModel

EXACT_PLAYERS = 8
"""With more modalities than this (2^8 = 256 coalitions) contributions are estimated from a sample."""

ROUNDS = 8
"""Independent estimates of a sample: enough to see their spread. 12 modalities take 778 coalitions."""

MOST_PLAYERS = 32
"""A limit that catches mistakes; 32 modalities take about 8,000 coalitions."""


@dataclass(frozen=True, kw_only=True)
class Coalitions:
    """The coalitions that are evaluated, and how their values become contributions.

    C coalitions, among them the empty one (first), every modality alone, all but one, and all (last).
    """

    codes: Tensor
    """[C] int64 bitmasks, increasing."""
    maps: Tensor
    """[R, M, C] float64, from coalition to Shapley values: one exact map, or R independent estimates."""

    @property
    def players(self) -> int:
        """M."""
        return self.maps.shape[1]

    @property
    def exact(self) -> bool:
        """Whether the contributions are exact, from all 2^M coalitions."""
        return len(self.maps) == 1

    @property
    def masks(self) -> Tensor:
        """[C, M] bool: which modalities take part."""
        return (self.codes[:, None] >> torch.arange(self.players) & 1).bool()

    @property
    def alone(self) -> Tensor:
        """[M] int64: index of each modality alone among the coalitions."""
        return torch.searchsorted(self.codes, 1 << torch.arange(self.players))

    def index_of(self, code: int) -> int | None:
        """Index of a coalition, or None if it is not evaluated."""
        found = int(torch.searchsorted(self.codes, code))
        return found if found < len(self.codes) and int(self.codes[found]) == code else None

    def names(self, modalities: Sequence[str]) -> list[str]:
        """[C] short names, such as `none`, `R`, `RL`."""
        return [subset_name(code, modalities) for code in self.codes.tolist()]

    def shown_by_name(self, values: Tensor, modalities: Sequence[str]) -> dict[str, float]:
        """Short name -> one of values [C], for the coalitions that are `shown`."""
        names = self.names(modalities)
        return {names[index]: float(values[index]) for index in self.shown}

    @property
    def shown(self) -> list[int]:
        """Indices of the coalitions that reports list: all but the empty one, or, of a sample, the modalities
        alone, all but one, and all."""
        sizes = self.masks.sum(dim=1)
        chosen = sizes > 0 if self.exact else (sizes == 1) | (sizes >= self.players - 1)
        return chosen.nonzero()[:, 0].tolist()

    def estimates(self, values: Tensor) -> Tensor:
        """[..., R, M] float64 independent estimates of the Shapley values from coalition values [..., C]."""
        if values.shape[-1] != len(self.codes):
            raise ValueError(
                f"{self.players} modalities need {len(self.codes)} coalitions, got {values.shape[-1]}"
            )
        if not bool(values.isfinite().all()):
            raise ValueError("values holds NaN or infinity; every coalition needs a finite value")
        flat = values.double() @ self.maps.flatten(0, 1).to(values.device).T
        return flat.unflatten(-1, self.maps.shape[:2])

    def shapley(self, values: Tensor) -> Tensor:
        """[..., M] float64 from coalition values [..., C]; they sum to values[..., -1] - values[..., 0]."""
        return self.estimates(values).mean(dim=-2)

    def sampling_error(self, values: Tensor) -> Tensor:
        """[..., M] float64 standard error of `shapley` due to sampling coalitions; 0 if exact."""
        found = self.estimates(values)
        rounds = found.shape[-2]
        return found.std(dim=-2) / rounds**0.5 if rounds > 1 else torch.zeros_like(found[..., 0, :])


@lru_cache
def coalitions_of(
    modalities: int, *, exact_up_to: int = EXACT_PLAYERS, rounds: int = ROUNDS, seed: int = 0
) -> Coalitions:
    """All coalitions of M modalities, or a sample if there are more than `exact_up_to`.

    The sample depends on the arguments alone: every epoch, method and rank evaluates the same coalitions, so
    differences between them are not differences between samples.
    """
    if not 1 <= modalities <= MOST_PLAYERS:
        raise ValueError(f"modalities must lie in 1..{MOST_PLAYERS}, got {modalities}")
    if not 1 <= exact_up_to <= MAX_PLAYERS or rounds < 2:
        raise ValueError(
            f"exact_up_to must lie in 1..{MAX_PLAYERS} and rounds be at least 2, got {exact_up_to}, {rounds}"
        )
    if modalities <= exact_up_to:
        exact = torch.from_numpy(shapley_matrix(modalities))
        return Coalitions(codes=torch.arange(1 << modalities), maps=exact[None])
    codes, maps = sampled_maps(modalities, rounds, seed)
    return Coalitions(codes=torch.from_numpy(codes), maps=torch.from_numpy(maps))


def coalition_predictions(model: SensorModel, features: Tensor, present: Tensor) -> Tensor:
    """Poses that the model predicts from every coalition of `coalitions_of(M)`.

    features: [B, M, D]; present: [B, M] bool, what the data itself lacks. Returns [C, B, J, 3] m.
    """
    masks = coalitions_of(features.shape[1]).masks.to(features.device)
    return model.fuse_coalitions(features, masks, present)
