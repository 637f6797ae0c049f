"""Fisher information: batched per-sample gradients against the loop they replace; AWC's cost per step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from benchmarks.timing import compare, markdown
from equipose.balancing.evaluation_mode import evaluating
from equipose.balancing.fisher.diagonal import fisher_diagonal, quadratic_penalty
from equipose.balancing.fisher.per_sample import looped_squares
from equipose.models.batch import Batch, rows_of
from equipose.models.build import ModelConfig, build_model
from equipose.models.model import PoseModel
from equipose.models.randomness import torch_rng

SAMPLES = 128
"""Samples per estimate; enough to fill one batched pass, and the loop takes a second or two."""


def loss(prediction: Tensor, target: Tensor) -> Tensor:
    """MPJPE per sample, m."""
    return torch.linalg.vector_norm(prediction - target, dim=-1).mean(dim=-1)


def random_batch(size: int, lidar: int = 256, mmwave: int = 32) -> Batch:
    """Numbers of the right shapes and sizes (not data of any kind); half of the radar points are padding."""
    rng = torch_rng(0, "benchmark", "fisher")
    depth = torch.tensor([0.0, 0.0, 3.0])
    radar = torch.arange(mmwave) < torch.randint(1, mmwave, (size, 1), generator=rng)
    return Batch(
        inputs={
            "rgb": 320 + 50 * torch.randn(size, 1, 17, 2, generator=rng),
            "lidar": 0.5 * torch.randn(size, lidar, 3, generator=rng) + depth,
            "mmwave": torch.randn(size, mmwave, 5, generator=rng),
            "wifi": 40 * torch.rand(size, 3, 114, 10, generator=rng),
        },
        masks={"lidar": torch.ones(size, lidar, dtype=torch.bool), "mmwave": radar},
        present=torch.ones(size, 4, dtype=torch.bool),
        pose=0.3 * torch.randn(size, 17, 3, generator=rng) + depth,
        index=torch.arange(size),
    )


def encoder_parameters(model: PoseModel) -> dict[str, nn.Parameter]:
    """Name -> parameter over all encoders."""
    return {name: p for group in model.encoder_parameters().values() for name, p in group.items()}


def estimates(preset: str, samples: int, rounds: int) -> str:
    """One Fisher estimate: the loop, the batched form, the per-batch option, and plain training's work.

    The last one, a batched forward and backward pass, squares nothing per sample.
    """
    model = build_model(ModelConfig(preset=preset, head_init="zeros"), seed=0)  # type: ignore[arg-type]
    batch, parameters = random_batch(samples), encoder_parameters(model)

    def loop() -> None:
        with evaluating(model):
            looped_squares(model, parameters, batch, loss)

    def plain() -> None:
        with evaluating(model):
            torch.autograd.grad(loss(model(batch).pose, batch.pose).sum(), list(parameters.values()))

    candidates: dict[str, Callable[[], object]] = {
        "one backward per sample": loop,
        "batched per-sample": lambda: fisher_diagonal(model, [batch], loss),
        "per-batch": lambda: fisher_diagonal(model, [batch], loss, mode="per_batch"),
        "forward and backward only": plain,
    }
    title = f"Fisher diagonal, `{preset}` preset, {samples} samples, {threads()}"
    return markdown(title, compare(candidates, rounds=rounds))


@contextmanager
def using(count: int) -> Iterator[None]:
    """torch on that many threads inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def estimates_by_threads(samples: int, rounds: int) -> list[str]:
    """The estimate of both sizes on one thread and on all of them."""
    tables = []
    for count in sorted({1, torch.get_num_threads()}):
        with using(count):
            tables += [estimates(preset, samples, rounds) for preset in ("tiny", "small")]
    return tables


def penalty(preset: str, samples: int, rounds: int) -> str:
    """One training step without and with AWC's penalty."""
    model = build_model(ModelConfig(preset=preset, head_init="zeros"), seed=0)  # type: ignore[arg-type]
    optimizer = torch.optim.Adam(model.parameters())
    batch, groups = random_batch(samples), model.encoder_parameters()
    parameters = encoder_parameters(model)
    anchor = {name: p.detach().clone() for name, p in parameters.items()}
    fisher = {name: torch.rand_like(p) for name, p in parameters.items()}

    def step(constrained: bool) -> None:
        """One training step; constrained: with the quadratic penalty of every sensor's parameters."""
        optimizer.zero_grad(set_to_none=True)
        total = loss(model(batch).pose, batch.pose).mean()
        if constrained:
            for group in groups.values():
                names = list(group)
                total = total + quadratic_penalty(
                    group, {name: anchor[name] for name in names}, {name: fisher[name] for name in names}
                )
        total.backward()
        optimizer.step()

    candidates: dict[str, Callable[[], object]] = {
        "plain step": lambda: step(False),
        "with the AWC penalty": lambda: step(True),
    }
    title = f"Training step, `{preset}` preset, batch of {samples}, {threads()}"
    return markdown(title, compare(candidates, rounds=rounds))


def threads() -> str:
    """How much of the machine is in use."""
    return f"{torch.get_num_threads()} thread(s)"


def agreement(preset: str) -> str:
    """How far the batched form is from the loop, in float64."""
    model = build_model(ModelConfig(preset=preset, head_init="zeros"), seed=0).double()  # type: ignore[arg-type]
    batch, parameters = random_batch(8).to(dtype=torch.float64), encoder_parameters(model)
    fast = fisher_diagonal(model, [batch], loss)
    with evaluating(model):
        slow = looped_squares(model, parameters, rows_of(batch, slice(None)), loss)
    worst = max(float((fast[n] - slow[n] / 8).abs().max()) for n in parameters)
    largest = max(float(value.max()) / 8 for value in slow.values())
    return (
        f"Largest difference to the loop (float64, `{preset}`): {worst:.1e} of entries up to {largest:.1e}."
    )


def main(samples: int = SAMPLES, rounds: int = 5) -> str:
    """The tables as Markdown."""
    return "\n\n".join(
        [
            "## Fisher information",
            *estimates_by_threads(samples, rounds),
            agreement("small"),
            penalty("small", 2 * samples, rounds),
        ]
    )
