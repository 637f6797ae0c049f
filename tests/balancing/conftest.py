"""A small model with the interface of `PoseModel`, data for it, and a short training loop."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from equipose.balancing.evaluation_mode import evaluating
from equipose.balancing.method import Method, StepContext
from equipose.balancing.run import EpochPlan, Run
from equipose.balancing.shapley.coalitions import coalition_predictions, coalitions_of
from equipose.balancing.shapley.statistics import CoalitionStatistics
from equipose.balancing.shapley.value_functions import pearson_profit
from equipose.balancing.shapley.values import shapley_values
from equipose.balancing.train_step import take_step
from equipose.models.batch import Batch, Outputs
from equipose.models.randomness import derive_seed, torch_rng
from equipose.models.sensors import DEFAULT_SENSORS

JOINTS = 17
INPUTS = 5


def sample_mpjpe(prediction: Tensor, target: Tensor) -> Tensor:
    """[B] metres."""
    return torch.linalg.vector_norm(prediction - target, dim=-1).mean(dim=-1)


class ToyPoseModel(nn.Module):
    """One small encoder per modality, features concatenated, one linear head."""

    def __init__(
        self,
        num_modalities: int = 3,
        norm: str = "none",
        dropout: float = 0.0,
        seed: int = 0,
        heads: bool = False,
        hidden: int = 8,
        features: int = 6,
    ) -> None:
        super().__init__()
        torch.default_generator.manual_seed(seed)
        self.modalities = DEFAULT_SENSORS[:num_modalities]
        norms = {
            "none": nn.Identity,
            "batch": lambda: nn.BatchNorm1d(hidden),
            "layer": lambda: nn.LayerNorm(hidden),
        }
        self.encoders = nn.ModuleDict(
            {
                name: nn.Sequential(
                    nn.Linear(INPUTS, hidden),
                    norms[norm](),
                    nn.Tanh(),
                    nn.Dropout(dropout),
                    nn.Linear(hidden, features),
                )
                for name in self.modalities
            }
        )
        self.fusion = nn.Linear(features * num_modalities, JOINTS * 3)
        names = self.modalities if heads else ()
        self.heads = nn.ModuleDict({name: nn.Linear(features, JOINTS * 3) for name in names})

    def present_of(self, batch: Batch) -> Tensor:
        return batch.present

    def encode(self, batch: Batch) -> Tensor:
        features = torch.stack([self.encoders[m](batch.inputs[m]) for m in self.modalities], dim=1)
        return features * self.present_of(batch)[..., None]

    def fuse(self, features: Tensor, present: Tensor | None = None) -> Tensor:
        kept = features if present is None else features * present.expand(features.shape[:2])[..., None]
        return self.fusion(kept.flatten(1)).unflatten(1, (JOINTS, 3))

    def fuse_coalitions(self, features: Tensor, masks: Tensor, present: Tensor) -> Tensor:
        return torch.stack([self.fuse(features, mask & present) for mask in masks])

    def forward(self, batch: Batch) -> Outputs:
        features = self.encode(batch)
        return Outputs(features=features, pose=self.fuse(features), unimodal=self.unimodal(features))

    def unimodal(self, features: Tensor) -> dict[str, Tensor]:
        return {
            name: head(features[:, m]).unflatten(1, (JOINTS, 3))
            for m, (name, head) in enumerate(self.heads.items())
        }

    def contributions_of(self, features: Tensor) -> Tensor:
        weight = self.fusion.weight.unflatten(1, (len(self.modalities), -1))
        shares = torch.einsum("bmd,omd->bmo", features, weight) + self.fusion.bias / len(self.modalities)
        return shares.unflatten(-1, (JOINTS, 3))

    def encoder_parameters(self) -> dict[str, dict[str, nn.Parameter]]:
        return {
            m: {f"encoders.{m}.{name}": p for name, p in self.encoders[m].named_parameters()}
            for m in self.modalities
        }


def toy_batches(num_modalities: int, sizes: tuple[int, ...] = (8, 8, 8), seed: int = 0) -> list[Batch]:
    """Inputs that determine the pose, the first modality best; some sensors absent."""
    rng = torch_rng(seed, "toy", num_modalities)
    names = DEFAULT_SENSORS[:num_modalities]
    readout = torch.randn(num_modalities, INPUTS, JOINTS * 3, generator=rng)
    batches, first = [], 0
    for size in sizes:
        inputs = {name: torch.randn(size, INPUTS, generator=rng) for name in names}
        pose = sum(0.3 / (m + 1) * inputs[name] @ readout[m] for m, name in enumerate(names))
        present = torch.rand(size, num_modalities, generator=rng) > 0.1
        batches.append(
            Batch(
                inputs=inputs,
                masks={},
                present=present,
                pose=pose.unflatten(1, (JOINTS, 3)) + torch.tensor([0.0, 0.0, 3.0]),
                index=torch.arange(first, first + size),
                labels={"subject": torch.arange(size) % 3, "action": torch.arange(size) % 4 + 1},
            )
        )
        first += size
    return batches


def joined(batches: list[Batch]) -> Batch:
    """All rows of several batches in one."""
    first = batches[0]
    return Batch(
        inputs={name: torch.cat([batch.inputs[name] for batch in batches]) for name in first.inputs},
        masks={},
        present=torch.cat([batch.present for batch in batches]),
        pose=torch.cat([batch.pose for batch in batches]),
        index=torch.cat([batch.index for batch in batches]),
        labels={name: torch.cat([batch.labels[name] for batch in batches]) for name in first.labels},
    )


def rows(batch: Batch, keep: slice | Tensor) -> Batch:
    """Some rows of a batch."""
    return Batch(
        inputs={name: value[keep] for name, value in batch.inputs.items()},
        masks={},
        present=batch.present[keep],
        pose=batch.pose[keep],
        index=batch.index[keep],
        labels={name: value[keep] for name, value in batch.labels.items()},
    )


class ThreadRanks:
    """Ranks as threads of one process: `mean(rank)` averages over them at a barrier."""

    def __init__(self, world_size: int) -> None:
        self.world_size = world_size
        self._barrier = threading.Barrier(world_size, timeout=60)
        self._slots: list[Tensor | None] = [None] * world_size

    def mean(self, rank: int) -> Callable[[Tensor], Tensor]:
        def reduce(tensor: Tensor) -> Tensor:
            self._slots[rank] = tensor.detach().clone()
            self._barrier.wait()
            result = torch.stack([slot for slot in self._slots if slot is not None]).mean(dim=0)
            self._barrier.wait()
            return result

        return reduce

    def run(self, work: Callable[[int], Any]) -> list[Any]:
        """`work(rank)` on every rank; raises what any of them raised."""
        results: list[Any] = [None] * self.world_size
        errors: list[BaseException] = []

        def guarded(rank: int) -> None:
            try:
                results[rank] = work(rank)
            except Exception as error:  # noqa: BLE001 - handed to the test below
                errors.append(error)
                self._barrier.abort()

        threads = [threading.Thread(target=guarded, args=(rank,)) for rank in range(self.world_size)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]
        return results


class Replica(nn.Module):
    """What DDP does: the backward pass after a forward through it averages gradients over ranks.

    Gradients of all parameters or of none: a backward pass that leaves some out is an error, as with DDP.
    One rank alone has nothing to average, and trains faster without the hooks.
    """

    def __init__(self, model: nn.Module, mean: Callable[[Tensor], Tensor], world_size: int) -> None:
        super().__init__()
        self.module, self.mean = model, mean
        shared = [*model.parameters()] if world_size > 1 else []
        self.everyone = {id(parameter) for parameter in shared}
        self.waiting: set[int] = set()
        for parameter in shared:
            parameter.register_post_accumulate_grad_hook(self._average)

    def forward(self, batch: Batch) -> Outputs:
        if self.waiting and self.waiting != self.everyone:
            raise RuntimeError("the last backward pass left out some parameters; DDP would refuse")
        self.waiting = set(self.everyone)
        return self.module(batch)

    def _average(self, parameter: Tensor) -> None:
        if id(parameter) in self.waiting:
            self.waiting.remove(id(parameter))
            parameter.grad = self.mean(parameter.grad)


@dataclass
class ToyTraining:
    """A minimal training loop; `state` and `load` are its checkpoint."""

    model: ToyPoseModel
    method: Method
    batches: list[Batch]
    rank: int = 0
    world_size: int = 1
    mean: Callable[[Tensor], Tensor] = lambda tensor: tensor
    seed: int = 0
    logged: dict[str, float] = field(default_factory=dict)
    epoch: int = 0
    lr: float = 0.02
    epochs: int = 4
    """Planned; `fit` says how many run."""
    task: int = 0
    earlier: list[Batch] = field(default_factory=list)
    """Rows of earlier tasks, which the store still holds."""

    def __post_init__(self) -> None:
        held_out = toy_batches(len(self.model.modalities), sizes=(8, 8, 8, 8, 8))[3:]
        self.held_out = [batch.to(dtype=self.batches[0].pose.dtype) for batch in held_out]
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=self.lr, fused=True)
        self.wrapped = Replica(self.model, self.mean, self.world_size)

    def view(self) -> Run:
        def share() -> list[Batch]:
            return [rows(batch, slice(self.rank, None, self.world_size)) for batch in self.batches]

        def shuffled() -> list[Batch]:
            whole = joined(self.batches)
            order = torch.randperm(len(whole), generator=torch_rng(self.seed, "order", self.epoch))
            shares = [part[self.rank :: self.world_size] for part in order.split(len(self.batches[0]))]
            return [rows(whole, share) for share in shares]

        return Run(
            model=self.model,  # type: ignore[arg-type]
            epoch=self.epoch,
            epochs=self.epochs,
            seed=self.seed,
            loss=sample_mpjpe,
            batches=share,
            shuffled=shuffled,
            validation_batches=lambda: [
                rows(b, slice(self.rank, None, self.world_size)) for b in self.held_out
            ],
            mean=self.mean,
            contributions=self.contributions(),
            log=self.logged.__setitem__,
            task=self.task,
            batch_size=len(self.batches[0]),
            training_rows=torch.cat([batch.index for batch in self.batches]).sort().values,
            rows=self.share_of_rows,
        )

    def share_of_rows(self, wanted: Tensor) -> list[Batch]:
        everything = joined([*self.earlier, *self.batches])
        position = torch.stack([(everything.index == row).nonzero()[0, 0] for row in wanted])
        size = len(self.batches[0])
        shares = [part[self.rank :: self.world_size] for part in position.split(size)]
        return [rows(everything, share) for share in shares if len(share)]

    def contributions(self) -> Tensor | None:
        if "contributions" not in self.method.needs:
            return None
        with torch.no_grad(), evaluating(self.model):
            parts = [
                CoalitionStatistics.from_predictions(
                    coalition_predictions(self.model, self.model.encode(b), b.present),  # type: ignore[arg-type]
                    b.pose,
                    b.labels["subject"],
                )
                for b in self.batches
            ]
        return shapley_values(pearson_profit(CoalitionStatistics.merged(parts)))

    def plan(self) -> EpochPlan:
        indices = torch.cat([batch.index for batch in self.batches])
        return EpochPlan(
            indices=indices, present=torch.ones(len(indices), len(self.model.modalities), dtype=torch.bool)
        )

    def planned(self, plan: EpochPlan) -> list[Batch]:
        """The global batches of a plan without the incomplete last one; only rows that may be planned."""
        memory = self.method.memory
        allowed = torch.cat([b.index for b in self.batches] + [m for m in [memory] if m is not None])
        assert torch.isin(plan.indices, allowed).all()
        known = torch.cat([batch.index for batch in [*self.earlier, *self.batches]])
        ordered, position = known.sort()
        position = position[torch.searchsorted(ordered, plan.indices)]
        everything = joined([*self.earlier, *self.batches])
        size = min(plan.batch_size or len(self.batches[0]), len(position) - len(position) % self.world_size)
        starts = range(0, len(position) - size + 1, size)
        return [
            replace(batch, present=batch.present & plan.present[start : start + size])
            for start in starts
            for batch in [rows(everything, position[start : start + size])]
        ]

    def run_epoch(self) -> None:
        run = self.view()
        plan = self.method.plan_epoch(self.plan(), run)
        self.method.on_epoch_start(run)
        for index, batch in enumerate(self.planned(plan)):
            # `torch.manual_seed` formats the stack for other devices: as long as a step under pytest.
            torch.default_generator.manual_seed(derive_seed(self.seed, self.epoch, index))
            self.step(run, index, rows(batch, slice(self.rank, None, self.world_size)))
        self.epoch += 1

    def step(self, run: Run, index: int, batch: Batch) -> None:
        context = StepContext(
            run=run,
            wrapped=self.wrapped,
            optimizer=self.optimizer,
            batch=batch,
            index=index,
            rng=torch_rng(self.seed, "method", self.epoch, index),
        )
        self.losses = take_step(self.method, context)

    def fit(self, epochs: int) -> ToyTraining:
        while self.epoch < epochs:
            self.run_epoch()
        return self

    def weights(self, *, heads: bool = True) -> Tensor:
        """Every parameter and buffer, with or without the unimodal heads', in one float64 vector."""
        state = self.model.state_dict()
        kept = [value for name, value in state.items() if heads or not name.startswith("heads.")]
        return torch.cat([value.detach().double().flatten() for value in kept])

    def state(self) -> bytes:
        buffer = io.BytesIO()
        content = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "method": self.method.state_dict(),
            "epoch": self.epoch,
        }
        torch.save(content, buffer)
        return buffer.getvalue()

    def load(self, state: bytes) -> ToyTraining:
        content = torch.load(io.BytesIO(state), weights_only=True)
        self.model.load_state_dict(content["model"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.method.load_state_dict(content["method"])
        self.epoch = content["epoch"]
        return self


@pytest.fixture
def toy_model() -> Callable[..., ToyPoseModel]:
    return ToyPoseModel


@pytest.fixture
def toy_data() -> Callable[..., list[Batch]]:
    return toy_batches


@pytest.fixture
def thread_ranks() -> Callable[[int], ThreadRanks]:
    return ThreadRanks


@pytest.fixture(scope="session")
def toy_training() -> Callable[..., ToyTraining]:
    """`toy_training(method, num_modalities=3, dtype=..., norm=..., dropout=..., **fields)`."""

    def build(
        method: Method, num_modalities: int = 3, dtype: torch.dtype = torch.float32, norm: str = "none",
        dropout: float = 0.0, **fields: Any,
    ) -> ToyTraining:  # fmt: skip
        heads = "unimodal_heads" in method.needs
        model = ToyPoseModel(num_modalities, norm, dropout, heads=heads).to(dtype)
        batches = [batch.to(dtype=dtype) for batch in toy_batches(num_modalities)]
        return ToyTraining(model=model, method=method, batches=batches, **fields)

    return build


@pytest.fixture
def masks() -> Callable[[int], Tensor]:
    return lambda modalities: coalitions_of(modalities).masks


@pytest.fixture
def loss() -> Callable[[Tensor, Tensor], Tensor]:
    return sample_mpjpe
