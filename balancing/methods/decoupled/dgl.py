"""DGL: encoders and fusion learn from different losses (Wei et al., "Boosting Multimodal Learning via
Disentangled Gradient Learning", ICCV 2025).

    L = L_joint(fusion(detached features)) + alpha sum_m L_m

where L_m trains encoder m and no part of the fusion. The paper's finding is that the gradient which arrives
through the fusion is weaker and less accurate for every encoder than that of its own loss.

Regression: MPJPE; L_m is that of the modality's unimodal head, over the rows that have the modality. The
paper takes the fusion's own output without the other modalities and drops the gradient of the fusion's
weights; a head of its own needs no dropping and no untrained kind of input.

Each parameter has one loss, so `alpha` is no trade-off between losses but how fast encoders learn compared
with the fusion. As a factor on the loss it is that under SGD only; Adam would cancel it. So here the step
that the optimiser takes in encoders and heads is alpha times as long, with either.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from equipose.balancing import checks
from equipose.balancing.losses import Losses, total_loss
from equipose.balancing.method import Method, MethodConfig, StepContext
from equipose.balancing.methods.decoupled.own_losses import separate_losses
from equipose.balancing.parts.alternating import joined_gradient, move, other_parameters, share_buffers
from equipose.balancing.search_spaces import searched

NAME = "dgl"


class DGL(Method):
    """Disentangled gradient learning; replaces the step and needs unimodal heads."""

    @dataclass(frozen=True, kw_only=True)
    class Config(MethodConfig):
        """The paper's alpha."""

        alpha: float = searched(4.0, low=1.0, high=16.0)
        """Length of the step of encoders and heads, in steps of the optimiser."""

        def __post_init__(self) -> None:
            super().__post_init__()
            checks.positive(NAME, self, "alpha")

    config: Config
    needs = frozenset({"unimodal_heads"})
    replaces_step = True

    def take_step(self, context: StepContext) -> Losses:
        """One move of everything, then the rest of the way of encoders and heads."""
        losses = separate_losses(context)
        model, alpha = context.run.model, self.config.alpha
        parameters = other_parameters(model)
        apart = [p for n, p in model.named_parameters() if n.startswith(("encoders.", "heads."))]
        before = [p.detach().clone() for p in apart] if alpha != 1 else []
        move(context, joined_gradient(context, total_loss(losses), parameters), parameters)
        with torch.no_grad():
            for parameter, start in zip(apart, before, strict=False):
                parameter.copy_(torch.lerp(start, parameter, alpha))
        share_buffers(context.run)
        return {name: loss.detach() for name, loss in losses.items()}
