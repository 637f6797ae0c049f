"""The objectives of UniHPE: embeddings that agree, and decoders that make poses of them.

L = L_cl + L_2D + L_3D with L_cl = L_pair + alpha L_triplet (arXiv 2311.16477). Its three stages are settings
of this one objective: pairs of key points and skeletons; the picture against both, which are frozen;
everything, with decoders.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import torch
from torch import Tensor, nn

from equipose.balancing.losses import Losses
from equipose.balancing.objectives.objective import Objective, ObjectiveConfig
from equipose.balancing.search_spaces import searched
from equipose.balancing.step import Step
from equipose.models.alignment import HIGHER_ORDER, AlignmentLoss, Temperature
from equipose.models.alignment.config import KEYPOINTS, POSE
from equipose.models.alignment.contrast import Direction
from equipose.models.alignment.decoders import Decoder
from equipose.models.alignment.model import AlignedModel
from equipose.models.alignment.search_choice import one_of
from equipose.models.alignment.terms.negatives import Negatives
from equipose.models.batch import AlignedOutputs
from equipose.models.sensors.triplet_inputs import keypoints_in_box, root_relative


class Align(Objective):
    """Contrastive losses over the rows of all ranks, and the losses of the model's decoders."""

    @dataclass(frozen=True, kw_only=True)
    class Config(ObjectiveConfig):
        """The defaults are L_cl with both directions of L_pair."""

        contrast: bool = True
        """False trains decoders alone: the row "none" of UniHPE's table 6."""
        anchors: tuple[str, ...] = ()
        """Pairs are compared that one of these is part of; empty: all pairs. In the second stage `image`:
        between frozen encoders a pair only moves tau."""
        direction: Direction = "symmetric"
        """`one_way` as printed."""
        higher: Literal["triplet", "cosines", "gram", "pmrl", "symile"] | None = one_of(
            "triplet", (*HIGHER_ORDER, None)
        )
        """The term over three embeddings; None compares pairs only."""
        pairs: bool = True
        negatives: Negatives = "sampled"
        """Of `triplet`, `cosines` and `symile`."""
        alpha: float = searched(1.0, low=0.1, high=10.0, unless=("higher", None))
        """Weight of the term over three."""
        tau: float = 1 / 5
        tau_low: float = 1 / 5
        tau_high: float = 1e4
        """Start and range of the temperature, see `Temperature`."""
        decoder_weight: float = 1.0
        sources: Literal["one", "all"] = "one"
        """Which embeddings train a decoder: those of one random modality a row, a third of the cost; or
        `all`, the mean over modalities. The paper does not say."""
        draws: int = 1
        """How often a score decoder draws a time and noise for every row of a step. The encoders run once for
        all of them, so 8 cost little and train the decoder about as far as 8 steps would."""

        def __post_init__(self) -> None:
            if self.higher is not None and self.higher not in HIGHER_ORDER:
                raise ValueError(f"objective.higher={self.higher!r}: use one of {list(HIGHER_ORDER)} or none")
            if self.sources not in ("one", "all"):
                raise ValueError(f"objective.sources={self.sources!r}: use 'one' or 'all'")
            if self.draws < 1:
                raise ValueError(f"objective.draws={self.draws}: use 1 or more")
            if not self.decoder_weight >= 0:
                raise ValueError(f"objective.decoder_weight={self.decoder_weight}: use 0 or more")
            if not (self.pairs or self.higher) and self.contrast:
                raise ValueError("objective.pairs=false and higher=none compare nothing; set contrast=false")
            if self.contrast:
                self.loss((*(self.anchors or ("one",)), "two", "three"))

        def loss(self, names: tuple[str, ...]) -> AlignmentLoss.Config:
            """The contrastive loss of embeddings with these names; ValueError where it is not one."""
            pairs = tuple(
                pair
                for pair in combinations(names, 2)
                if self.pairs and (not self.anchors or set(pair) & set(self.anchors))
            )
            higher = None
            if self.higher is not None:
                kind = HIGHER_ORDER[self.higher]
                takes = "negatives" in kind.__dataclass_fields__
                higher = kind(negatives=self.negatives) if takes else kind()  # type: ignore[call-arg]
            return AlignmentLoss.Config(
                pairs=pairs,
                direction=self.direction,
                higher=higher,
                alpha=self.alpha,
                tau=Temperature.Config(start=self.tau, low=self.tau_low, high=self.tau_high),
            )

    config: Config
    whole_rows = True
    model = "aligned"

    def prepare(self, model: nn.Module) -> None:
        """Add the contrastive loss, which holds the temperature of this stage, as `alignment`."""
        model = _aligned(model)
        if self.config.contrast:
            names = model.config.spaces
            config = self.config.loss(names)
            if config.term is not None and len(names) != 3:
                raise ValueError(
                    f"objective.higher={self.config.higher!r} compares three embeddings, the model has "
                    f"{names}; set objective.higher=none"
                )
            model.add_module("alignment", AlignmentLoss(config))

    def losses(self, step: Step) -> Losses:
        """`pair`, the term over three under its name, and `decode/<target>`."""
        model, run = _aligned(step.run.model), step.run
        outputs: object = step.outputs
        assert isinstance(outputs, AlignedOutputs)
        rows = len(step.batch)
        losses: Losses = {}
        if self.config.contrast:
            alignment = model.get_submodule("alignment")
            losses |= alignment(
                outputs.embeddings, generator=step.rng, gather=run.gather, start=run.rank * rows
            )
        for target, decoder in model.decoders.items():
            assert isinstance(decoder, Decoder)
            found = self._decoder_losses(step, model, outputs, decoder, target)
            losses[f"decode/{target}"] = self.config.decoder_weight * found.mean()
        return losses

    def _decoder_losses(
        self, step: Step, model: AlignedModel, outputs: AlignedOutputs, decoder: Decoder, target: str
    ) -> Tensor:
        """[R] or [E R]: this rank's rows of what is drawn for the rows of all ranks."""
        rows, run, batch = len(step.batch), step.run, step.batch
        start, total = run.rank * rows, run.world_size * rows
        truth = root_relative(batch.pose)
        if target == KEYPOINTS:
            truth = keypoints_in_box(batch.targets["exact_keypoints"], batch.context["box"])
        told = {
            "box": model.box_of(batch) if target != POSE else None,
            "start": start,
            "total": total,
            "draws": self.config.draws,
        }
        names = decoder.condition.sources
        if self.config.sources == "all":
            parts = [
                decoder(truth, outputs.embeddings[name], name, generator=step.rng, **told) for name in names
            ]
            return torch.cat(parts)
        chosen = torch.randint(len(names), (total,), generator=step.rng)[start : start + rows]
        chosen = chosen.to(truth.device)
        stacked = torch.stack([outputs.embeddings[name] for name in names])
        mine = stacked[chosen, torch.arange(rows, device=truth.device)]
        found: Tensor = decoder(truth, mine, chosen, generator=step.rng, **told)
        return found

    def after_step(self, model: nn.Module) -> None:
        """Clamp the temperature, and move the running average of the decoders."""
        model = _aligned(model)
        if self.config.contrast:
            alignment = model.get_submodule("alignment")
            assert isinstance(alignment, AlignmentLoss)
            alignment.temperature.clamp_()
        model.update_average()


def _aligned(model: object) -> AlignedModel:
    """The model, which must be an aligned one."""
    if not isinstance(model, AlignedModel):
        raise ValueError(f"objective align needs an aligned model, got {type(model).__name__}")
    return model
