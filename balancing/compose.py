"""Combining methods: several in a row, and one in some epochs only."""

from __future__ import annotations

from typing import Any

from equipose.balancing.method import EpochPlan, Losses, Method, Run, Step, StepContext, total_loss
from equipose.balancing.parts.detached_heads import probe_losses
from equipose.balancing.train_step import plain_step


def chain(**methods: Method) -> Method:
    """Several methods as one; each hook visits them in the order given, each seeing what the last made.

    The names label their states in checkpoints. Raises ValueError without methods, for an empty name, for
    one object under two names, when more than one method owns the backward pass or claims the same
    decision, and when one owns the step but another wants to shape it.
    """
    return _Chain(methods)


def within(epochs: range, method: Method) -> Method:
    """The method in the given epochs, plain training in all others.

    Outside of them no hook reaches it, except `on_task_end`, which belongs to no epoch. Unimodal heads that
    it needs then train as probes, unnoticed by the encoders. If the range is empty it also needs nothing.
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
            raise ValueError(f"one method object stands under two names in {list(methods)}; build two")
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
        shapers = [name for name, method in methods.items() if method.replaces_step or method.shapes_step]
        if self.replaces_step and len(shapers) > 1:
            raise ValueError(
                f"of {shapers} one takes the whole training step itself, so the hooks of the others inside "
                "the step would never run; keep one of them (methods that only plan epochs or act at their "
                "start can stay)"
            )

    @property
    def shapes_step(self) -> bool:
        """Whether any of them does."""
        return any(method.shapes_step for method in self.methods.values())

    def plan_epoch(self, plan: EpochPlan, run: Run) -> EpochPlan:
        """One after the other, each on the plan of the last."""
        for method in self.methods.values():
            plan = method.plan_epoch(plan, run)
        return plan

    def on_epoch_start(self, run: Run) -> None:
        """One after the other."""
        for method in self.methods.values():
            method.on_epoch_start(run)

    def shape_losses(self, losses: Losses, step: Step) -> Losses:
        """One after the other, each on the losses of the last."""
        for method in self.methods.values():
            losses = method.shape_losses(losses, step)
        return losses

    def backward(self, losses: Losses, step: Step) -> None:
        """The one owner's."""
        for method in self.methods.values():
            if method.owns_backward:
                method.backward(losses, step)

    def shape_gradients(self, step: Step) -> None:
        """One after the other, on the same gradients."""
        for method in self.methods.values():
            method.shape_gradients(step)

    def take_step(self, context: StepContext) -> Losses:
        """The one owner's."""
        owner = next(method for method in self.methods.values() if method.replaces_step)
        return owner.take_step(context)

    def on_task_end(self, run: Run) -> None:
        """One after the other."""
        for method in self.methods.values():
            method.on_task_end(run)

    def state_dict(self) -> dict[str, Any]:
        """name -> state."""
        return {name: method.state_dict() for name, method in self.methods.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`. Raises ValueError for other names or another order, with both lists."""
        if list(state) != list(self.methods):
            raise ValueError(
                f"the checkpoint was written by the chain {list(state)}, this one is {list(self.methods)}; "
                "use the same methods under the same names in the same order"
            )
        for name, method in self.methods.items():
            method.load_state_dict(state[name])


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

    @property
    def shapes_step(self) -> bool:
        """Whether the method does, unless it never acts."""
        return self.method.shapes_step and len(self.epochs) > 0

    def plan_epoch(self, plan: EpochPlan, run: Run) -> EpochPlan:
        """The method's in its epochs, else the plan as it is."""
        return self.method.plan_epoch(plan, run) if run.epoch in self.epochs else plan

    def on_epoch_start(self, run: Run) -> None:
        """The method's in its epochs."""
        if run.epoch in self.epochs:
            self.method.on_epoch_start(run)

    def shape_losses(self, losses: Losses, step: Step) -> Losses:
        """The method's in its epochs, else plain losses with the heads as probes."""
        if step.run.epoch in self.epochs:
            return self.method.shape_losses(losses, step)
        return probe_losses(losses, step) if "unimodal_heads" in self.needs else losses

    def backward(self, losses: Losses, step: Step) -> None:
        """The method's in its epochs, else that of the plain sum."""
        if step.run.epoch in self.epochs:
            self.method.backward(losses, step)
        else:
            total_loss(losses).backward()

    def shape_gradients(self, step: Step) -> None:
        """The method's in its epochs."""
        if step.run.epoch in self.epochs:
            self.method.shape_gradients(step)

    def take_step(self, context: StepContext) -> Losses:
        """The method's in its epochs, else the plain step."""
        if context.run.epoch in self.epochs:
            return self.method.take_step(context)
        return plain_step(self, context)

    def on_task_end(self, run: Run) -> None:
        """The method's, whichever epoch was the last."""
        self.method.on_task_end(run)

    def state_dict(self) -> dict[str, Any]:
        """The method's."""
        return self.method.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.method.load_state_dict(state)
