"""Combining methods: several at once, or one in some epochs only."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from equipose.balancing.losses import Losses, total_loss
from equipose.balancing.method import Method, Step, StepContext
from equipose.balancing.parts.detached_heads import probe_losses
from equipose.balancing.run import EpochPlan, Hidden, Run
from equipose.balancing.train_step import plain_step


def chain(**methods: Method) -> Method:
    """Several methods as one: each hook calls them in the given order, and each sees the result of the last.

    The names label their states in checkpoints. Raises ValueError without methods, for an empty name, for
    one object under two names, if more than one method owns the backward pass or claims the same decision,
    and if one replaces the step while another shapes it.

    Examples:
        >>> from equipose.balancing.methods.mmpareto import MMPareto
        >>> from equipose.balancing.methods.relearning import Relearning
        >>> both = chain(pareto=MMPareto(), relearning=Relearning())
        >>> both.owns_backward, sorted(both.state_dict())
        (True, ['pareto', 'relearning'])
    """
    return _Chain(methods)


def within(epochs: range, method: Method) -> Method:
    """The method in the given epochs, plain training in all others.

    Outside these epochs none of its hooks is called, except `on_task_end`, which belongs to no epoch. Its
    unimodal heads then train as probes on detached features. With an empty range it needs nothing.

    Examples:
        >>> from equipose.balancing.methods.mmpareto import MMPareto
        >>> within(range(5), MMPareto()).owns_backward
        True
        >>> within(range(0), MMPareto()).needs
        frozenset()
    """
    return _Within(epochs, method)


class _Chain(Method):
    """See `chain`."""

    def __init__(self, methods: dict[str, Method]) -> None:
        super().__init__()
        if not methods:
            raise ValueError("chain() got no method; give at least one, or use Method() for plain training")
        if "" in methods:
            raise ValueError("a method in a chain has an empty name; name it, its state is saved under it")
        if len({id(method) for method in methods.values()}) < len(methods):
            raise ValueError(f"one method object has two names in {list(methods)}; build two objects")
        owners = [name for name, method in methods.items() if method.owns_backward]
        if len(owners) > 1:
            raise ValueError(f"at most one method may own the backward pass, got {owners}; drop all but one")
        self.methods = dict(methods)
        self.needs = frozenset().union(*(method.needs for method in methods.values()))
        self.claims = frozenset().union(*(method.claims for method in methods.values()))
        for claim in sorted(self.claims):
            rivals = [name for name, method in methods.items() if claim in method.claims]
            if len(rivals) > 1:
                raise ValueError(
                    f"at most one method may decide on the {claim}, got {rivals}; drop all but one"
                )
        self.owns_backward = bool(owners)
        self.replaces_step = any(method.replaces_step for method in methods.values())
        self.joins_late = all(method.joins_late for method in methods.values())
        self.from_scratch = any(method.from_scratch for method in methods.values())
        self.moves_weights_at_end = any(method.moves_weights_at_end for method in methods.values())
        shapers = [name for name, method in methods.items() if method.replaces_step or method.shapes_step]
        if self.replaces_step and len(shapers) > 1:
            raise ValueError(
                f"of {shapers} one replaces the whole training step, so the others' hooks inside the step "
                "would never run; keep one of them (methods that only plan epochs or act at their start can "
                "stay)"
            )

    def acts_in(self, epoch: int) -> bool:
        """Whether any of the methods does."""
        return any(method.acts_in(epoch) for method in self.methods.values())

    @property
    def shapes_step(self) -> bool:
        """Whether any of the methods does."""
        return any(method.shapes_step for method in self.methods.values())

    @property
    def memory(self) -> Tensor | None:
        """The rows of all methods that have a memory."""
        kept = [memory for method in self.methods.values() if (memory := method.memory) is not None]
        return torch.cat(kept).unique() if kept else None

    @property
    def hidden(self) -> Hidden | None:
        """That of the first method that hides readings."""
        return next((found for method in self.methods.values() if (found := method.hidden)), None)

    def plan_epoch(self, plan: EpochPlan, run: Run) -> EpochPlan:
        """In order, each on the plan of the last."""
        for method in self.methods.values():
            plan = method.plan_epoch(plan, run)
        return plan

    def on_epoch_start(self, run: Run) -> None:
        """In order."""
        for method in self.methods.values():
            method.on_epoch_start(run)

    def shape_losses(self, losses: Losses, step: Step) -> Losses:
        """In order, each on the losses of the last."""
        for method in self.methods.values():
            losses = method.shape_losses(losses, step)
        return losses

    def backward(self, losses: Losses, step: Step) -> None:
        """That of the one owner."""
        for method in self.methods.values():
            if method.owns_backward:
                method.backward(losses, step)

    def shape_gradients(self, step: Step) -> None:
        """In order, on the same gradients."""
        for method in self.methods.values():
            method.shape_gradients(step)

    def take_step(self, context: StepContext) -> Losses:
        """That of the one owner."""
        owner = next(method for method in self.methods.values() if method.replaces_step)
        return owner.take_step(context)

    def on_task_end(self, run: Run) -> None:
        """In order."""
        for method in self.methods.values():
            method.on_task_end(run)

    def state_dict(self) -> dict[str, Any]:
        """name -> state."""
        return {name: method.state_dict() for name, method in self.methods.items()}

    def start_task(self, state: dict[str, Any]) -> None:
        """Each with its own state; see `load_state_dict` for errors."""
        self._check_names(state)
        for name, method in self.methods.items():
            method.start_task(state[name])

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`. Raises ValueError for other names or another order, with both lists."""
        self._check_names(state)
        for name, method in self.methods.items():
            method.load_state_dict(state[name])

    def _check_names(self, state: dict[str, Any]) -> None:
        if list(state) != list(self.methods):
            raise ValueError(
                f"the checkpoint was written by the chain {list(state)}, this one is {list(self.methods)}; "
                "use the same methods under the same names in the same order"
            )


class _Within(Method):
    """See `within`."""

    def __init__(self, epochs: range, method: Method) -> None:
        super().__init__()
        self.epochs = epochs
        self.method = method
        self.needs = method.needs if len(epochs) else frozenset()
        self.claims = method.claims if len(epochs) else frozenset()
        self.owns_backward = method.owns_backward and len(epochs) > 0
        self.replaces_step = method.replaces_step and len(epochs) > 0
        self.joins_late = method.joins_late
        self.moves_weights_at_end = method.moves_weights_at_end
        self.from_scratch = method.from_scratch and len(epochs) > 0

    def acts_in(self, epoch: int) -> bool:
        """Only in its epochs, and if the method does."""
        return epoch in self.epochs and self.method.acts_in(epoch)

    @property
    def shapes_step(self) -> bool:
        """Whether the method does, unless it never acts."""
        return self.method.shapes_step and len(self.epochs) > 0

    @property
    def memory(self) -> Tensor | None:
        """The method's, in any epoch."""
        return self.method.memory

    @property
    def hidden(self) -> Hidden | None:
        """The method's, in any epoch."""
        return self.method.hidden

    def plan_epoch(self, plan: EpochPlan, run: Run) -> EpochPlan:
        """The method's plan in its epochs, else the plan unchanged."""
        return self.method.plan_epoch(plan, run) if run.epoch in self.epochs else plan

    def on_epoch_start(self, run: Run) -> None:
        """The method's in its epochs."""
        if run.epoch in self.epochs:
            self.method.on_epoch_start(run)

    def shape_losses(self, losses: Losses, step: Step) -> Losses:
        """The method's losses in its epochs, else plain losses with the heads as probes."""
        if step.run.epoch in self.epochs:
            return self.method.shape_losses(losses, step)
        return probe_losses(losses, step) if "unimodal_heads" in self.needs else losses

    def backward(self, losses: Losses, step: Step) -> None:
        """The method's pass in its epochs, else that of the plain sum."""
        if step.run.epoch in self.epochs:
            self.method.backward(losses, step)
        else:
            total_loss(losses).backward()

    def shape_gradients(self, step: Step) -> None:
        """The method's in its epochs."""
        if step.run.epoch in self.epochs:
            self.method.shape_gradients(step)

    def take_step(self, context: StepContext) -> Losses:
        """The method's step in its epochs, else the plain one."""
        if context.run.epoch in self.epochs:
            return self.method.take_step(context)
        return plain_step(self, context)

    def on_task_end(self, run: Run) -> None:
        """Always the method's: the end of a task belongs to no epoch."""
        self.method.on_task_end(run)

    def state_dict(self) -> dict[str, Any]:
        """The method's state."""
        return self.method.state_dict()

    def start_task(self, state: dict[str, Any]) -> None:
        """The method's."""
        self.method.start_task(state)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.method.load_state_dict(state)
