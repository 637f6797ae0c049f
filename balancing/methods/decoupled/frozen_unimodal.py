"""Frozen unimodal encoders: an upper reference for what balancing can recover.

For the first `share` of the run every encoder learns from its own head alone, which is training each sensor's
model by itself. Then the encoders are frozen, bit for bit, with their running statistics and in evaluation
mode, and only fusion and pose head learn from the pose loss. No encoder ever competes with another, so the
difference to plain joint training is the headroom of methods that are to keep modalities from suppressing
each other; a method that ends above it does something else than balance. It is no bound: encoders that see
the joint loss can also complement each other, which these cannot.

The result equals that of encoders trained alone, joined by a fusion and head; nothing is published under this
name, it is the usual probe on frozen features (late fusion of pre-trained encoders).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from equipose.balancing import checks
from equipose.balancing.evaluation_mode import evaluating
from equipose.balancing.losses import POSE, Losses, total_loss
from equipose.balancing.method import Method, MethodConfig, StepContext
from equipose.balancing.methods.decoupled.own_losses import fused_loss, separate_losses
from equipose.balancing.parts.alternating import joined_gradient, move, other_parameters, share_buffers
from equipose.balancing.run import Run
from equipose.balancing.search_spaces import searched

NAME = "frozen_unimodal"


class FrozenUnimodal(Method):
    """Encoders alone, then the fusion alone; replaces the step and needs unimodal heads."""

    @dataclass(frozen=True, kw_only=True)
    class Config(MethodConfig):
        """A reference of ours, without published values."""

        share: float = searched(0.5, low=0.25, high=0.75)
        """Part of the run's epochs in which encoders learn; a share, so it fits runs of any length."""

        def __post_init__(self) -> None:
            super().__post_init__()
            checks.share(NAME, self, "share")

    config: Config
    needs = frozenset({"unimodal_heads"})
    replaces_step = True

    def frozen(self, run: Run) -> bool:
        """Whether the encoders stay as they are in this epoch; never in the first one."""
        return run.epoch >= max(1, round(self.config.share * run.epochs))

    def take_step(self, context: StepContext) -> Losses:
        """A move of everything on separate losses, or of fusion and pose head on frozen features.

        The fusion also learns in the first part, where it costs little; it never reaches an encoder.
        """
        return self._fusion_step(context) if self.frozen(context.run) else self._encoder_step(context)

    def _encoder_step(self, context: StepContext) -> Losses:
        losses = separate_losses(context)
        parameters = other_parameters(context.run.model)
        move(context, joined_gradient(context, total_loss(losses), parameters), parameters)
        share_buffers(context.run)
        return {name: loss.detach() for name, loss in losses.items()}

    def _fusion_step(self, context: StepContext) -> Losses:
        run, batch = context.run, context.batch
        with torch.no_grad(), evaluating(run.model.encoders):
            features = run.model.encode(batch)
        loss = fused_loss(run, features, batch)
        # Parameters without a gradient are skipped by the optimiser, weight decay and momentum included.
        rest = other_parameters(run.model, "encoders.", "heads.")
        move(context, joined_gradient(context, loss, rest), rest)
        return {POSE: loss.detach()}
