"""Exact Shapley values of every row by Captum (all permutations of the sensors) against our coalitions.

The game of a row is the worth of the sensors that the model sees: minus the error of its pose, m. Captum
knows a model by its inputs alone: it runs all of it for every step of every permutation, M M! times, where
the worth of 2^M coalitions decides the values. So it is given an easier task too: features that are encoded
beforehand. Captum (Kokhlikyan et al. 2020, arXiv 2009.07896) is no dependency; the table is left out where it
is not there.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from benchmarks.models.models import random_batch
from benchmarks.timing import compare, markdown
from equipose.balancing.evaluation_mode import evaluating
from equipose.balancing.shapley.coalitions import coalition_predictions, coalitions_of
from equipose.models.batch import Batch
from equipose.models.build import ModelConfig, build_model
from equipose.models.model import PoseModel
from equipose.models.pose_errors import mpjpe

TOLERANCE = 1e-5
"""m."""
COMPARED = ("concat", "attention")
"""Fusions: one whose coalitions are sums, and one that has to be run on every coalition."""
AT_ONCE = 16
"""Coalitions that Captum may evaluate together, as many as there are."""


def scaled_batch(rows: int) -> Batch:
    """Random readings of mean 0 and deviation 1, as encoders see them, so that errors are some metres."""
    batch = random_batch(rows)
    return replace(batch, inputs={name: (x - x.mean()) / x.std() for name, x in batch.inputs.items()})


def ours(model: PoseModel, batch: Batch) -> Tensor:
    """[B, M] float64 Shapley values of every row, m: one encoding, one fusion of all coalitions."""
    poses = coalition_predictions(model, model.encode(batch), model.present_of(batch))
    return coalitions_of(len(model.modalities)).shapley(-mpjpe(poses, batch.pose).T)


def captum_on_sensors(model: PoseModel, batch: Batch) -> Tensor:
    """[B, M] by Captum on readings, each sensor's one feature; a reading of zeros is an absent one."""
    from captum.attr import ShapleyValues

    names = model.modalities

    def worth(*readings: Tensor) -> Tensor:
        present = torch.stack([(reading != 0).flatten(1).any(1) for reading in readings], 1)
        shown = replace(batch, inputs=dict(zip(names, readings, strict=True)), present=present)
        return -mpjpe(model(shown).pose, batch.pose)

    readings = tuple(batch.inputs[name] for name in names)
    masks = tuple(torch.full_like(reading[:1], m, dtype=torch.long) for m, reading in enumerate(readings))
    found = ShapleyValues(worth).attribute(readings, feature_mask=masks)
    return torch.stack([value.flatten(1)[:, 0] for value in found], 1)


def captum_on_features(model: PoseModel, batch: Batch, at_once: int = 1) -> Tensor:
    """[B, M] by Captum on features encoded once; the feature of a sensor counts as one, zero as absent."""
    from captum.attr import ShapleyValues

    def worth(features: Tensor, pose: Tensor) -> Tensor:
        return -mpjpe(model.fuse(features), pose)

    features = model.encode(batch)
    mask = torch.arange(features.shape[1])[None, :, None].expand(1, *features.shape[1:]).contiguous()
    found: Tensor = ShapleyValues(worth).attribute(
        features, additional_forward_args=(batch.pose,), feature_mask=mask, perturbations_per_eval=at_once
    )
    return found[..., 0]


def candidates_of(model: PoseModel, batch: Batch) -> dict[str, Callable[[], Tensor]]:
    """What is compared; the first one is the baseline."""
    return {
        "Captum, whole model": lambda: captum_on_sensors(model, batch),
        "Captum, features encoded once": lambda: captum_on_features(model, batch),
        f"the same, {AT_ONCE} coalitions at a time": lambda: captum_on_features(model, batch, AT_ONCE),
        "ours": lambda: ours(model, batch),
    }


def require_same(found: dict[str, Tensor]) -> float:
    """The largest difference to the last one's values, m; AssertionError above `TOLERANCE`."""
    *_, expected = found.values()
    for name, values in found.items():
        torch.testing.assert_close(
            values.double(), expected, rtol=0, atol=TOLERANCE, msg=lambda text, name=name: f"{name}: {text}"
        )
    return max(float((values - expected).abs().max()) for values in found.values())


def table(preset: str = "small", rows: int = 64, rounds: int = 3) -> str:
    """One table per fusion; Markdown, or one line where Captum is not installed."""
    if importlib.util.find_spec("captum") is None:
        return "Captum's exact Shapley values: skipped, because `captum` cannot be imported."
    return "\n\n".join(fusion_table(fusion, preset, rows, rounds) for fusion in COMPARED)


def fusion_table(fusion: str, preset: str, rows: int, rounds: int) -> str:
    """Time of every candidate once all agree; AssertionError where they do not."""
    config = ModelConfig(preset=preset, fusion=fusion)  # type: ignore[arg-type]
    model, batch = build_model(config, mean_pose=torch.zeros(17, 3), seed=0), scaled_batch(rows)
    candidates = candidates_of(model, batch)
    with torch.no_grad(), evaluating(model):
        worst = require_same({name: run() for name, run in candidates.items()})
        measured = compare(dict(candidates), rounds, warmup=0, clock=time.process_time)
    title = f"Exact Shapley values of {rows} rows, {fusion}, `{preset}` preset"
    return markdown(title, measured) + f"\n\nLargest difference: {worst:.0e} m."
