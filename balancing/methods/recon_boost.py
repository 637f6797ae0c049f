"""ReconBoost: modalities take turns, each fitting what the others leave, then all are reconciled.

Hua et al., "ReconBoost: Boosting Can Achieve Modality Reconcilement", ICML 2024. One modality's encoder and
head learn per turn; a turn of joint training (global rectification) follows. The public code's loss of a
turn of modality m is `-w1 y log p_m + w2 y p_joint log p_m + alpha MSE(previous modality)`.

Regression, o_n being the pose of modality n's own head, y the true pose, and only o_m being trained:

    residual:     w1 e(o_m, y) + w2 e(o_m, M y - sum over n != m of o_n) + alpha e(o_m, o_previous)
    reweighted:   (w1 - w2 q) e(o_m, y) + alpha e(o_m, o_previous),    q = exp(-e(joint pose, y) / scale)

with e the mean distance of joints in metres. The public code has a mean square of logits in the last term,
beside a cross-entropy; squared metres beside metres would leave it a few thousandths of the gradient, so here
all terms are distances, and the published weights compare them. The second target in the first line is what
o_m must be for the average of all heads to be right; the second line keeps the form of the public loss, q
standing for p_joint. Per row, M counts the modalities that the row has. The rectification trains encoders,
fusion and pose head on the joint pose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from equipose.balancing import checks
from equipose.balancing.losses import POSE, Losses
from equipose.balancing.method import Method, MethodConfig, StepContext
from equipose.balancing.objectives.pose import pose_losses
from equipose.balancing.parts.alternating import joined_gradient, move, other_parameters, share_buffers
from equipose.balancing.parts.rank_means import shared_mean
from equipose.balancing.run import Run
from equipose.balancing.schedules import fixed_count
from equipose.balancing.search_spaces import searched
from equipose.models.batch import Batch, Outputs

NAME = "recon_boost"


def residual_targets(own: Tensor, target: Tensor, present: Tensor, modality: int) -> Tensor:
    """[B, J, 3] what one head must predict for the average over present heads to be the target.

    own: [B, M, J, 3] poses of all heads; target: [B, J, 3]; present: [B, M] bool.
    """
    others = present.clone()
    others[:, modality] = False
    count = others.sum(dim=1)[:, None, None] + 1
    return count * target - (own * others[..., None, None]).sum(dim=1)


class ReconBoost(Method):
    """One update per step: of one modality, or, in its turn, of the joint model; needs unimodal heads."""

    @dataclass(frozen=True, kw_only=True)
    class Config(MethodConfig):
        """The public code's weights; the other fields are choices that regression leaves open."""

        reading: Literal["residual", "reweighted"] = "residual"
        """See the module docstring."""
        w1: float = 5.0
        """Weight of the modality's own task."""
        w2: float = 1.0
        """Weight of the boosting term."""
        alpha: float = searched(0.5, low=0.05, high=5.0)
        """Weight of the agreement with the previous modality, a mean distance of joints like the others."""
        scale_mm: float = 100.0
        """For `reading="reweighted"`."""
        rectify_after: int = fixed_count(1)
        """Turns of modalities before each joint turn."""

        def __post_init__(self) -> None:
            super().__post_init__()
            checks.choice(NAME, self, "reading", ("residual", "reweighted"))
            for name in ("w1", "w2", "alpha"):
                checks.positive(NAME, self, name, zero=True)
            checks.positive(NAME, self, "scale_mm")
            checks.at_least(NAME, self, "rectify_after", 1)
            if self.reading == "reweighted" and self.w2 > self.w1:
                raise ValueError(
                    f"recon_boost.w2={self.w2} exceeds w1={self.w1}: well predicted rows would be unlearned; "
                    "lower w2"
                )

    config: Config
    needs = frozenset({"unimodal_heads"})
    replaces_step = True

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        self.turn = 0
        """Steps taken so far."""

    def take_step(self, context: StepContext) -> Losses:
        """One forward pass and one update of the modality whose turn it is."""
        run, model = context.run, context.run.model
        outputs = model(context.batch)
        losses = pose_losses(outputs, context.batch)
        modality = self.whose_turn(len(model.modalities))
        if modality is None:
            loss, trained = losses[POSE], other_parameters(model, "heads.")
        else:
            name = model.modalities[modality]
            loss = self._boost(run, context.batch, outputs, modality)
            head = model.get_submodule(f"heads.{name}")
            trained = [*model.encoder_parameters()[name].values(), *head.parameters()]
        move(context, joined_gradient(context, loss, trained), trained)
        share_buffers(run)
        self.turn += 1
        return {name: loss.detach() for name, loss in losses.items()}

    def whose_turn(self, modalities: int) -> int | None:
        """The modality of this turn, or None for the joint one."""
        rounds, position = divmod(self.turn, self.config.rectify_after + 1)
        if position == self.config.rectify_after:
            return None
        return (rounds * self.config.rectify_after + position) % modalities

    def state_dict(self) -> dict[str, Any]:
        """The number of the turn."""
        return {"turn": self.turn}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.turn = state["turn"]

    def _boost(self, run: Run, batch: Batch, outputs: Outputs, modality: int) -> Tensor:
        """The loss of one modality's turn, over all ranks' rows that have the modality."""
        c, present = self.config, run.model.present_of(batch)
        own = torch.stack(list(outputs.unimodal.values()), dim=1)
        mine, fixed = own[:, modality], own.detach()
        errors = run.loss(mine, batch.pose)
        if c.reading == "residual":
            target = residual_targets(fixed, batch.pose, present, modality)
            value = c.w1 * errors + c.w2 * run.loss(mine, target)
        else:
            joint = run.loss(outputs.pose.detach(), batch.pose)
            value = (c.w1 - c.w2 * torch.exp(-1000 * joint / c.scale_mm)) * errors
        agreeing = c.alpha * run.loss(mine, fixed[:, modality - 1]) * present[:, modality - 1]
        return shared_mean(value + agreeing, present[:, modality], run.mean)
