"""A small problem with recordings, in which the readings of some sensors can be contaminated."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from equipose.balancing.run import Run
from equipose.models.batch import Batch, rows_of
from equipose.models.pose_errors import mpjpe
from equipose.models.randomness import torch_rng
from equipose.models.sensors import DEFAULT_SENSORS

PEOPLE, ACTIONS, FRAMES, STATE, INPUTS = 4, 4, 40, 4, 5
NOISE = (0.1, 0.3, 0.6)
"""Of each sensor, in units of its reading: the first is strong, the last weak."""
TRAINED: dict[tuple, tuple[NoiseProblem, Tensor]] = {}
"""Each problem is trained once; tests get copies."""
STRENGTH = {"gauss": 2.0, "burst": 2.5, "offset": 2.0}


def clean_batch(seed: int = 0) -> Batch:
    """Frames of every person and action: a smooth state decides the pose and what every sensor reads."""
    shared, rng = torch_rng(0, "noise problem"), torch_rng(seed, "noise problem", "frames")
    readout = torch.randn(STATE, 51, generator=shared) * 0.1
    person = torch.arange(PEOPLE).repeat_interleave(ACTIONS * FRAMES)
    action = torch.arange(ACTIONS).repeat_interleave(FRAMES).repeat(PEOPLE)
    frame, recordings = torch.arange(FRAMES).repeat(PEOPLE * ACTIONS), PEOPLE * ACTIONS
    recording = torch.arange(recordings).repeat_interleave(FRAMES)
    phase = torch.rand(recordings, STATE, generator=rng) * 6.28
    speed = 0.1 + 0.3 * torch.rand(recordings, STATE, generator=rng)
    state = torch.sin(phase[recording] + speed[recording] * frame[:, None])
    state = state + 0.5 * torch.randn(ACTIONS, STATE, generator=shared)[action]
    inputs = {}
    for name, noise in zip(DEFAULT_SENSORS, NOISE, strict=False):
        view = torch.randn(STATE, INPUTS, generator=shared)
        style = 0.3 * torch.randn(recordings, INPUTS, generator=rng)[recording]
        inputs[name] = state @ view + style + noise * torch.randn(len(frame), INPUTS, generator=rng)
    return Batch(
        inputs=inputs,
        masks={},
        present=torch.ones(len(frame), len(NOISE), dtype=torch.bool),
        pose=((state + 0.2 * state**2) @ readout).unflatten(1, (17, 3)),
        index=torch.arange(len(frame)) * 2 + 10,
        labels={
            "environment": torch.ones_like(person), "subject": person + 1, "action": action + 1,
        },
    )  # fmt: skip


def chosen_frames(count: int, share: float, kind: str, rng: torch.Generator) -> Tensor:
    """[N] bool: about that share of the frames, in stretches of 6 for bursts."""
    length = 6 if kind == "burst" else 1
    starts = torch.randperm(count - length, generator=rng)[: round(share * count / length)]
    chosen = torch.zeros(count, dtype=torch.bool)
    for start in starts.tolist():
        chosen[start : start + length] = True
    return chosen


def contaminated(batch: Batch, kind: str, sensor: int, share: float, seed: int = 0) -> tuple[Batch, Tensor]:
    """The batch with one kind of noise in one sensor, and [N] bool: where."""
    rng = torch_rng(seed, "contamination", kind, sensor)
    name, count = list(batch.inputs)[sensor], len(batch)
    where = chosen_frames(count, share, kind, rng)
    clean = batch.inputs[name]
    if kind == "swap":
        other = clean.roll(FRAMES * 5 + 17, dims=0)
    elif kind == "offset":
        other = clean + STRENGTH[kind] * torch.randn(1, INPUTS, generator=rng).sign()
    else:
        other = clean + STRENGTH[kind] * torch.randn(count, INPUTS, generator=rng)
    inputs = batch.inputs | {name: torch.where(where[:, None], other, clean)}
    return Batch(**{**vars(batch), "inputs": inputs}), where


@dataclass(frozen=True, kw_only=True)
class NoiseProblem:
    """A trained toy model and the rows it was trained on."""

    model: Any
    batch: Batch

    def run(
        self,
        *,
        rank: int = 0,
        ranks: int = 1,
        mean: Callable[[Tensor], Tensor] = lambda tensor: tensor,
        epoch: int = 6,
        task: int = 0,
        training_rows: Tensor | None = None,
        validation_rows: Tensor | None = None,
        logged: dict[str, Any] | None = None,
    ) -> Run:
        """What a method sees; rows are dealt out to ranks in batches of 64."""

        def rows(wanted: Tensor) -> Iterable[Batch]:
            at = torch.searchsorted(self.batch.index, wanted)
            return [rows_of(self.batch, part[rank::ranks]) for part in at.split(64)]

        own = self.batch.index if training_rows is None else training_rows
        record = {} if logged is None else logged
        return Run(
            model=self.model,
            epoch=epoch,
            epochs=12,
            seed=0,
            loss=mpjpe,
            batches=lambda: rows(own),
            shuffled=lambda: rows(own),
            mean=mean,
            task=task,
            training_rows=own,
            validation_rows=own[:0] if validation_rows is None else validation_rows,
            rows=rows,
            log=record.__setitem__,
        )


def trained(model: Any, batch: Batch, steps: int = 150) -> NoiseProblem:
    """The model after some steps on all frames; heads learn from detached features."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        outputs = model(batch)
        heads = model.unimodal(outputs.features.detach()).values()
        errors = [mpjpe(pose, batch.pose).mean() for pose in (outputs.pose, *heads)]
        torch.stack(errors).sum().backward()
        optimizer.step()
    return NoiseProblem(model=model, batch=batch)


@pytest.fixture
def parts() -> SimpleNamespace:
    """`clean_batch`, `contaminated` and `trained`, for problems that are put together otherwise."""
    return SimpleNamespace(clean_batch=clean_batch, contaminated=contaminated, trained=trained)


@pytest.fixture
def noise_problem(toy_model: Callable) -> Callable[..., tuple[NoiseProblem, Tensor]]:
    """`noise_problem(kind=None, sensor=0, share=0.05, seed=0)` -> problem, [N, M] bool contaminated."""

    def build(
        kind: str | None = None, sensor: int = 0, share: float = 0.05, seed: int = 0
    ) -> tuple[NoiseProblem, Tensor]:
        key = (kind, sensor, share, seed)
        if key not in TRAINED:
            batch = clean_batch(seed)
            truth = torch.zeros(len(batch), len(NOISE), dtype=torch.bool)
            if kind is not None:
                batch, truth[:, sensor] = contaminated(batch, kind, sensor, share, seed)
            model = toy_model(len(NOISE), heads=True, hidden=32, features=16, seed=seed)
            TRAINED[key] = trained(model, batch), truth
        problem, truth = TRAINED[key]
        return replace(problem, model=deepcopy(problem.model)), truth

    return build
