"""The contract of a balancing method: a few narrow hooks around one plain training loop.

A method never imports `torch.distributed`, Ray or MLflow. The loop supplies what must be equal on every rank:
`Run.mean` averages a statistic over ranks, `Step.rng` has the same seed on all of them. Reduce sufficient
statistics first, apply nonlinear functions afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from equipose.balancing.backward.scaled import Backward
from equipose.balancing.losses import Losses
from equipose.balancing.objectives.objective import Objective
from equipose.balancing.objectives.pose import PoseError
from equipose.balancing.run import EpochPlan, Hidden, Run
from equipose.balancing.schedules import epoch_count
from equipose.balancing.step import Step
from equipose.models.batch import Batch, Outputs

__all__ = ["Method", "MethodConfig", "Step", "StepContext"]


@dataclass(frozen=True, kw_only=True)
class MethodConfig:
    """Settings that every method has; each method nests its own subclass as `Config`.

    Fields that tuning varies are declared with `search_spaces.searched`, integers with
    `schedules.epoch_count` or `schedules.fixed_count`.
    """

    window: int | None = epoch_count(None)
    """Act only in the first `window` epochs; None means all of them, 0 none."""

    def __post_init__(self) -> None:
        if self.window is not None and self.window < 0:
            raise ValueError(f"method.window must be at least 0 epochs or None, got {self.window}")

    @property
    def active(self) -> range | None:
        """The epochs in which the method acts; None means all of them."""
        return None if self.window is None else range(self.window)


class Method:
    """A balancing method; every hook defaults to changing nothing, so `Method()` is plain training.

    Per epoch: `plan_epoch`, `on_epoch_start`, then per step `shape_losses`, backward (or `backward` of
    the one owner), `shape_gradients`. `on_task_end` follows the last epoch of a task. A method that needs
    more than one forward and backward pass sets `replaces_step` and does the whole step in `take_step`.
    """

    Config: ClassVar[type[MethodConfig]] = MethodConfig
    """The class of `config`; `registry.build_method` wraps `config.window` around the method."""
    published: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    """Settings of the method's own paper that the defaults of `Config` depart from."""
    needs: frozenset[str] = frozenset()
    """What the model or the loop must provide: `"unimodal_heads"` or `"contributions"`."""
    owns_backward: bool = False
    """At most one owner in a chain."""
    replaces_step: bool = False
    """At most one in a chain, and no other method there may shape losses or gradients."""
    claims: frozenset[str] = frozenset()
    """Decisions that only one method of a chain can take: `"unimodal losses"` (how the heads' losses act on
    the encoders) or `"pose loss"` (from which prediction the task loss is computed)."""

    def __init__(self, config: MethodConfig | None = None) -> None:
        self.config = config if config is not None else self.Config()
        if not isinstance(self.config, self.Config):
            raise ValueError(
                f"{type(self).__name__} takes a {self.Config.__qualname__}, got {type(config).__qualname__}"
            )

    joins_late: bool = False
    """In a stream of tasks, whether the first task is trained as with `plain`, so that the method may start
    with the second one: it is then shown the end of the first (`on_task_end`)."""
    from_scratch: bool = False
    """In a stream of tasks, whether every task starts with new weights; what the method keeps carries on."""

    moves_weights_at_end: bool = False
    """Whether `on_task_end` changes the model, so that what was measured after the last epoch is measured
    again on the weights that the task leaves."""

    carries_on: bool = False
    """In a stream of tasks, whether its state carries on to the next one; else it starts every task anew, as
    its schedules do."""

    @property
    def memory(self) -> Tensor | None:
        """[K] int64 rows of earlier tasks that `plan_epoch` may visit; None if only those of its own task."""
        return None

    @property
    def hidden(self) -> Hidden | None:
        """Readings that no pass over training or validation data may use; None if it uses all."""
        return None

    def acts_in(self, epoch: int) -> bool:
        """Whether the method changes anything in a 0-based epoch, as far as that is known beforehand."""
        return True

    def plan_epoch(self, plan: EpochPlan, run: Run) -> EpochPlan:
        """Resample rows or drop modalities of the coming epoch."""
        return plan

    def on_epoch_start(self, run: Run) -> None:
        """Take snapshots, estimate Fisher information, move weights."""

    def shape_losses(self, losses: Losses, step: Step) -> Losses:
        """Add a penalty or reweight; return a new dict, never edit the one given."""
        return losses

    def backward(self, losses: Losses, step: Step) -> None:
        """Fill the gradients; only called when `owns_backward`."""
        raise NotImplementedError(f"{type(self).__name__} sets owns_backward but defines no backward()")

    def shape_gradients(self, step: Step) -> None:
        """Edit the gradients, already averaged over ranks, before clipping."""

    def take_step(self, context: StepContext) -> Losses:
        """The whole optimisation step; only called when `replaces_step`.

        It works on `context.run.model`, never on the wrapped one, reduces gradients itself through
        `run.mean`, and keeps the buffers of all ranks equal (the pieces are in
        `equipose.balancing.parts.alternating`).
        """
        raise NotImplementedError(f"{type(self).__name__} sets replaces_step but defines no take_step()")

    @property
    def shapes_step(self) -> bool:
        """Whether it acts inside the ordinary step, which a method that replaces the step leaves out."""
        hooks = ("shape_losses", "shape_gradients", "backward")
        return any(getattr(type(self), hook) is not getattr(Method, hook) for hook in hooks)

    def on_task_end(self, run: Run) -> None:
        """Remember what the finished task needs later (continual learning)."""

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed run needs: tensors, numbers, strings, and dicts or lists of them."""
        return {}

    def start_task(self, state: dict[str, Any]) -> None:
        """Start the next task of a stream, with the state at the end of the one before."""
        if self.carries_on:
            self.load_state_dict(state)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        if state:
            raise ValueError(
                f"{type(self).__name__} keeps no state but the checkpoint holds {sorted(state)}; "
                "it was written by another method"
            )


@dataclass(frozen=True, kw_only=True)
class StepContext:
    """What a training step works on: the plain one, or a method's `take_step`."""

    run: Run
    wrapped: nn.Module
    """The model, or DDP around it: call it once per backward, or not at all."""
    optimizer: torch.optim.Optimizer
    batch: Batch
    """This rank's share."""
    index: int
    """0-based step inside the epoch."""
    rng: torch.Generator
    """Seeded from (seed, epoch, step); equal on all ranks."""
    objective: Objective = field(default_factory=PoseError)
    clip_norm: float | None = None
    """Largest norm of the whole gradient; None does not clip."""
    backward: Backward = field(default_factory=Backward)
    """How the plain step takes its gradient."""

    def step(self, outputs: Outputs) -> Step:
        """What the hooks of a method see of this step, once the model has run."""
        return Step(run=self.run, index=self.index, batch=self.batch, outputs=outputs, rng=self.rng)

    def apply_gradients(self) -> None:
        """Clip the gradient, take the optimiser's step, and let the objective bring the model into bounds."""
        if self.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.wrapped.parameters(), self.clip_norm)
        self.optimizer.step()
        self.objective.after_step(self.run.model)
