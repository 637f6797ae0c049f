"""Which precisions a method's steps go with, and how a run takes its gradients."""

from __future__ import annotations

from dataclasses import asdict

from equipose.balancing.backward.scaled import Backward, LossScale
from equipose.balancing.method import MethodConfig
from equipose.balancing.registry import build_method, method_label
from equipose.models.base import SensorModel
from equipose.models.compute.config import ComputeConfig

AS_IT_IS = asdict(ComputeConfig())
"""The settings that change nothing; keys of runs leave them out."""


def check_compute(compute: ComputeConfig, dtype: str, method: MethodConfig) -> None:
    """Raise ValueError for a precision that the run's `dtype` or its method cannot have."""
    compute.check_dtype(dtype)
    if compute.precision != "fp16":
        return
    found = build_method(method)
    if found.replaces_step or found.owns_backward:
        raise ValueError(
            f"compute.precision=fp16 scales the loss of the plain step, and method {method_label(method)!r} "
            "takes its gradients itself; use bf16, which needs no scaling"
        )


def new_backward(model: SensorModel, compute: ComputeConfig) -> Backward:
    """How a run's gradients are taken."""
    scale = LossScale() if compute.precision == "fp16" else None
    return Backward(products=model.computing.products, scale=scale)
