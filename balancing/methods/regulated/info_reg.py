"""InfoReg: hold modalities ahead near the epoch's start while their information grows.

Huang et al., "Adaptive Unimodal Regulation for Balanced Multimodal Information Acquisition", CVPR 2025,
arXiv 2503.18595.

The information of encoder m in epoch t is the trace Tr_m^t of its Fisher information. Its learning window is
open in epoch t where

    (Tr_m^{t-1} - Tr_m^{t-2}) / Tr_m^{t-1} > K,

and every m that is ahead, Delta_m > 0, inside its window gains the penalty alpha_m/2 |w_m - w_m^{t-1}|^2 with
w_m^{t-1} its weights at the start of the epoch and

    Delta_m = mean over the weaker n of (s_m - s_n), 0 for the weakest,    alpha_m = exp(beta tanh Delta_m).

Readings for poses:

- Sign. In print a score is a loss, of which a smaller value is better, while the text and the equation of
  Delta_m take the larger for the stronger; the public code uses the probability of the true class. Here
  `s_m = -L_m / mean_k L_k` with L_m the MPJPE of the modality's own head, so the larger is the stronger.
- Windows. Before the first epoch there is no information, Tr^0 = 0, as the public code has it; so all windows
  are open in the second epoch.
- Trace. The squared norm of the training gradient, averaged over the steps of an epoch, as in the public
  code. It is read before the pull is added and after gradients are averaged over ranks. Heads are probes, so
  it is the gradient of the joint loss, as the equation reads, and of the penalties of methods chained before.
- Pull. The public code adds alpha_m (w - w*) to the gradient and steps with SGD, whose learning rate fixes
  what it weighs. Adam divides by the size of the gradient, so such a pull would drown a small gradient or be
  drowned by a large one. It has a scale instead: with `strength` 1 it is alpha_m times as long as a gradient
  of the last epoch once the encoder is as far from the anchor as it came in its last epoch with a closed
  window (not in the last epoch of all: a held encoder moves less, so each pull would be stronger than the one
  before). A decoupled step would need the learning rate, which a method does not see; the scaled pull stays
  in the gradient, where clipping and Adam treat it as they treat the task.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from equipose.balancing import checks
from equipose.balancing.losses import Losses
from equipose.balancing.method import Method, MethodConfig, Step
from equipose.balancing.parts.detached_heads import probe_losses
from equipose.balancing.parts.epoch_means import EpochMeans
from equipose.balancing.parts.unimodal_scores import relative_errors, unimodal_errors, unimodal_predictions
from equipose.balancing.run import Run
from equipose.balancing.search_spaces import searched

NAME = "info_reg"
ROUNDING = 100.0
"""Gradients below so many times the precision, relative to the encoder's largest, are taken for rounding."""


def leads(scores: Tensor) -> Tensor:
    """[M] Delta_m: how far each modality is ahead of those behind it, on average; 0 for the weakest.

    scores: [M], higher is better.
    """
    gaps = (scores[:, None] - scores[None, :]).clamp_min(0)
    behind = (gaps > 0).sum(dim=1).clamp_min(1)
    return gaps.sum(dim=1) / behind


def pulls(ahead: Tensor, beta: float) -> Tensor:
    """[M] alpha_m = exp(beta tanh Delta_m) where Delta_m > 0, else 0."""
    return torch.where(ahead > 0, torch.exp(beta * torch.tanh(ahead)), 0.0)


def open_windows(latest: Tensor, before: Tensor, threshold: float) -> Tensor:
    """[M] bool from the traces [M] of the last two epochs; an encoder without gradient has a closed one."""
    return (latest - before) / latest.clamp_min(1e-300) > threshold


def squared_norms(groups: dict[str, dict[str, nn.Parameter]]) -> Tensor:
    """[M] float64 squared norm of each encoder's gradient."""
    return torch.stack(
        [
            torch.stack([p.grad.double().square().sum() for p in group.values() if p.grad is not None]).sum()
            for group in groups.values()
        ]
    )


def distances(groups: dict[str, dict[str, nn.Parameter]], anchor: dict[str, Tensor]) -> Tensor:
    """[M] float64 distance of each encoder from an anchor: parameter name -> tensor."""
    return torch.stack(
        [
            torch.stack(
                [(p.detach() - anchor[n].to(p)).double().square().sum() for n, p in group.items()]
            ).sum()
            for group in groups.values()
        ]
    ).sqrt()


def pull_back(group: Mapping[str, nn.Parameter], anchor: Mapping[str, Tensor], factor: float) -> None:
    """Add `factor` (w - anchor) to the gradients of an encoder, where they are more than rounding.

    A bias before a softmax has no gradient but rounding, which differs between ranks. Pulled back from where
    that has moved it, it would take whole steps of Adam, in a direction that rounding decides.
    """
    gradients = [p.grad for p in group.values() if p.grad is not None]
    if not gradients:
        return
    largest = torch.stack([gradient.abs().max() for gradient in gradients]).max()
    for name, parameter in group.items():
        if parameter.grad is not None:
            moved = parameter.detach() - anchor[name]
            floor = ROUNDING * torch.finfo(parameter.dtype).eps * largest
            parameter.grad.add_(moved.where(parameter.grad.abs() > floor, 0), alpha=factor)


class InfoReg(Method):
    """Adaptive unimodal regulation; needs unimodal heads, which train as probes."""

    @dataclass(frozen=True, kw_only=True)
    class Config(MethodConfig):
        """The paper's beta and K; `strength` is ours, see the module docstring."""

        beta: float = 0.9
        """How much stronger the pull on a modality far ahead is; it lies between 1 and e^beta."""
        threshold: float = 0.04
        """K: growth of the trace, relative, above which the learning window is open."""
        strength: float = searched(1.0, low=0.03, high=30.0)
        """Scale of the pull; 0 adds none."""

        def __post_init__(self) -> None:
            super().__post_init__()
            checks.positive(NAME, self, "beta", zero=True)
            checks.positive(NAME, self, "strength", zero=True)
            if not self.threshold < 1:
                raise ValueError(
                    f"{NAME}.threshold must be below 1, got {self.threshold}; a trace never grows by more "
                    "than itself"
                )

    config: Config
    needs = frozenset({"unimodal_heads"})
    claims = frozenset({"unimodal losses"})

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        self.anchor: dict[str, Tensor] = {}
        """Encoder weights at the start of the epoch."""
        self.trace: Tensor | None = None
        """[M] float64 sum of the squared gradients of the epoch so far; None before its first step."""
        self.steps = 0
        self.finished: Tensor | None = None
        """[M] trace of the last finished epoch."""
        self.reach: Tensor | None = None
        """[M] float64 how far each encoder came in its last epoch with a closed window."""
        self.scale: Tensor | None = None
        """[M] pull per distance from the anchor, 0 where the window is closed; None in the first epoch."""
        self.recorded = EpochMeans("pull")

    def on_epoch_start(self, run: Run) -> None:
        """Close the trace of the epoch before, open or close the windows, and take the new anchor."""
        groups = run.model.encoder_parameters()
        if self.trace is not None:
            self._finish_epoch(run, self.trace / self.steps, distances(groups, self.anchor))
        self.trace, self.steps = None, 0
        self.anchor = {name: p.detach().clone() for g in groups.values() for name, p in g.items()}

    def shape_losses(self, losses: Losses, step: Step) -> Losses:
        """The heads only provide scores."""
        return probe_losses(losses, step)

    def shape_gradients(self, step: Step) -> None:
        """Add to the trace, then pull the encoders ahead towards the anchor."""
        squares = squared_norms(step.groups)
        self.trace = squares if self.trace is None else self.trace + squares
        self.steps += 1
        if self.scale is None or not self.scale.any():
            return
        errors = unimodal_errors(step, unimodal_predictions(step, "heads"), centred=False)
        factors = self.scale.to(errors) * pulls(leads(-relative_errors(errors, None)), self.config.beta)
        self.recorded.add(step, factors)
        for group, factor in zip(step.groups.values(), factors.tolist(), strict=True):
            if factor > 0:
                pull_back(group, self.anchor, factor)

    def _finish_epoch(self, run: Run, trace: Tensor, moved: Tensor) -> None:
        """Open or close the windows after an epoch with this trace [M] and these distances moved [M]."""
        if self.reach is None or self.scale is None:
            self.reach = moved
        else:
            self.reach = moved.where(self.scale == 0, self.reach)
        before = torch.zeros_like(trace) if self.finished is None else self.finished
        opened = open_windows(trace, before, self.config.threshold)
        per_distance = self.config.strength * trace.sqrt() / self.reach.clamp_min(1e-300)
        self.scale, self.finished = torch.where(opened, per_distance, 0.0), trace
        for m, name in enumerate(run.model.modalities):
            run.log(f"method/trace/{name}", float(trace[m]))
            run.log(f"method/window_open/{name}", float(opened[m]))

    def state_dict(self) -> dict[str, Any]:
        """The traces of the last two epochs, how far encoders came, and which of them were held."""
        return {
            "anchor": self.anchor,
            "trace": self.trace,
            "steps": self.steps,
            "finished": self.finished,
            "reach": self.reach,
            "scale": self.scale,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.anchor, self.steps = dict(state["anchor"]), state["steps"]
        self.trace, self.finished = state["trace"], state["finished"]
        self.reach, self.scale = state["reach"], state["scale"]
