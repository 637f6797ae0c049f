"""Per-sample Fisher information: `torch.func`'s `vmap(grad)` against the layer rules of `balancing/fisher/`.

Both square the gradient of every sample's own loss and average, in evaluation mode. Where `torch.func` cannot
run a model as it stands, the row names the operator that it has no batching rule for; if it can once results
are copied into output arguments instead of written there, that is timed. Memory is the peak of what torch
allocates during one call, beyond what was there before.
"""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call, grad, vmap
from torch.overrides import TorchFunctionMode
from torch.profiler import ProfilerActivity, profile

from benchmarks.balancing.fisher import encoder_parameters, loss, random_batch
from benchmarks.timing import compare
from equipose.balancing.evaluation_mode import evaluating
from equipose.balancing.fisher.diagonal import fisher_diagonal
from equipose.models.batch import Batch
from equipose.models.build import ModelConfig, build_model
from equipose.models.model import PoseModel
from equipose.models.sensors import DEFAULT_SENSORS

SUBSETS = (("rgb",), ("mmwave",), ("wifi",), ("rgb", "mmwave", "wifi"), ("lidar",), DEFAULT_SENSORS)
"""Sensors of the compared models."""
TOLERANCE = 1e-4
"""Largest difference of two diagonals, as a share of a parameter's largest entry; float32 gives some 1e-6."""


def chosen(batch: Batch, sensors: tuple[str, ...]) -> Batch:
    """The batch with these sensors alone."""
    columns = [list(batch.inputs).index(name) for name in sensors]
    return replace(
        batch,
        inputs={name: batch.inputs[name] for name in sensors},
        masks={name: mask for name, mask in batch.masks.items() if name in sensors},
        present=batch.present[:, columns],
    )


def functional_diagonal(model: PoseModel, batch: Batch) -> dict[str, Tensor]:
    """Mean squared gradient of every encoder parameter by `vmap(grad)`, which holds all of them at once."""
    parameters = {name: p.detach() for name, p in encoder_parameters(model).items()}

    def one(
        values: dict[str, Tensor],
        inputs: Mapping[str, Tensor],
        masks: Mapping[str, Tensor],
        present: Tensor,
        pose: Tensor,
    ) -> Tensor:
        """The loss of one sample, m."""
        sample = Batch(
            inputs={name: value[None] for name, value in inputs.items()},
            masks={name: value[None] for name, value in masks.items()},
            present=present[None],
            pose=pose[None],
            index=torch.zeros(1, dtype=torch.int64),
        )
        return loss(functional_call(model, values, (sample,)).pose, sample.pose).sum()

    each = vmap(grad(one), in_dims=(None, 0, 0, 0, 0))
    # Without `no_grad` outside, a graph of the gradients themselves would be kept.
    with evaluating(model), torch.no_grad(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "There is a performance drop")
        found = each(parameters, batch.inputs, batch.masks, batch.present, batch.pose)
    return {name: value.square().mean(0) for name, value in found.items()}


def missing_operator(model: PoseModel, batch: Batch) -> str | None:
    """The operator for which `torch.func` has no batching rule, or None if it can run the model."""
    try:
        functional_diagonal(model, batch)
    except RuntimeError as error:
        found = re.search(r"Batching rule not implemented for ([\w:.]+)", str(error))
        if found is None:
            raise
        return found[1].rstrip(".")
    return None


class CopiedOutputs(TorchFunctionMode):
    """Inside the block, results for an `out=` argument are computed apart and copied into it."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        out = kwargs.pop("out", None)
        result = func(*args, **kwargs)
        return result if out is None else out.copy_(result)


def require_same(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> float:
    """The largest difference as a share of a parameter's largest entry; AssertionError above `TOLERANCE`."""
    assert ours.keys() == theirs.keys()
    # An entry that is zero for both, such as a bias before a normalisation, has no share.
    floor = 1e-9 * max(float(value.max()) for value in ours.values())
    worst = 0.0
    for name, value in ours.items():
        worst = max(worst, float((value - theirs[name]).abs().max()) / (float(value.max()) + floor))
    assert worst <= TOLERANCE, f"Fisher diagonals differ by {worst:.1e} of a parameter's largest entry"
    return worst


def peak_mib(run: Callable[[], object]) -> float:
    """MiB that torch holds at most during one call, beyond what it held before."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        run()
    events = [e for e in recorded.profiler.kineto_results.events() if e.name() == "[memory]"]
    held = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak / 2**20


def row(sensors: tuple[str, ...], preset: str, samples: int, rounds: int) -> str:
    """One row: both times, their ratio, both peaks; or why there is none."""
    config = ModelConfig(preset=preset, modalities=sensors, head_init="zeros")  # type: ignore[arg-type]
    model, batch = build_model(config, seed=0), chosen(random_batch(samples), sensors)
    name, probe = ", ".join(sensors), chosen(random_batch(2), sensors)
    mode: AbstractContextManager[object] = nullcontext()
    if operator := missing_operator(model, probe):
        mode, name = CopiedOutputs(), f"{name}; `{operator}` has no batching rule, its result is copied"
        with mode:
            if operator := missing_operator(model, probe):
                return f"| {name} | cannot run: no batching rule for `{operator}` | | | | | |"

    def theirs() -> dict[str, Tensor]:
        with mode:
            return functional_diagonal(model, batch)

    def ours() -> dict[str, Tensor]:
        return fisher_diagonal(model, [batch], loss)

    worst = require_same(ours(), theirs())
    slow, fast = compare({"torch.func": theirs, "ours": ours}, rounds, clock=time.process_time)
    times = f"{1e3 * slow.median:.1f} ms | {1e3 * fast.median:.1f} ms | {fast.ratio:.2f}x"
    peaks = f"{peak_mib(theirs):.0f} MiB | {peak_mib(ours):.0f} MiB"
    return f"| {name} | {times} | {peaks} | {worst:.0e} |"


def table(preset: str = "small", samples: int = 128, rounds: int = 5) -> str:
    """Every subset of sensors; Markdown."""
    return "\n".join(
        [
            f"### Exact Fisher diagonal, `{preset}` preset, {samples} samples, against `torch.func`",
            "",
            "| sensors | `vmap(grad)` | ours | ours is faster by | its peak | our peak | difference |",
            "|---|---|---|---|---|---|---|",
            *(row(sensors, preset, samples, rounds) for sensors in SUBSETS),
            "",
            "Differences: the largest one, as a share of a parameter's largest entry.",
        ]
    )
