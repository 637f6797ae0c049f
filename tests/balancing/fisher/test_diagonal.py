from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import equipose.balancing.fisher.pieces
from equipose.balancing.fisher.diagonal import fisher_diagonal, fisher_trace, quadratic_penalty
from equipose.models.batch import Batch
from equipose.models.build import ModelConfig, build_model


def by_loop(model: nn.Module, batches: list[Batch], loss: Callable) -> dict[str, Tensor]:
    """The equation, one sample at a time, with nothing but `backward`."""
    model.eval()
    encoders = {n: p for n, p in model.named_parameters() if n.startswith("encoders.")}
    total = {name: torch.zeros_like(p) for name, p in encoders.items()}
    count = 0
    for batch in batches:
        for row in range(len(batch)):
            one = Batch(
                inputs={name: x[row : row + 1] for name, x in batch.inputs.items()},
                masks={name: x[row : row + 1] for name, x in batch.masks.items()},
                present=batch.present[row : row + 1],
                pose=batch.pose[row : row + 1],
                index=batch.index[row : row + 1],
            )
            model.zero_grad()
            loss(model(one).pose, one.pose).mean().backward()
            for name, parameter in encoders.items():
                if parameter.grad is not None:
                    total[name] += parameter.grad.square()
            count += 1
    model.zero_grad()
    return {name: value / count for name, value in total.items()}


def assert_equal(found: dict[str, Tensor], expected: dict[str, Tensor], tolerance: float) -> None:
    assert found.keys() == expected.keys()
    floor = 1e-12 * max(float(value.max()) for value in expected.values())
    for name, value in expected.items():
        assert value.shape == found[name].shape
        error = float((found[name] - value).abs().max())
        assert error <= tolerance * float(value.max()) + floor, name


class Fold(nn.Module):
    """[B, 5] through one layer for three views at once, folded into the batch either way."""

    def __init__(self, sample_major: bool) -> None:
        super().__init__()
        self.views = nn.Linear(5, 12)
        self.shared = nn.Linear(4, 6)
        self.sample_major = sample_major

    def forward(self, x: Tensor) -> Tensor:
        views = self.views(x).view(len(x), 3, 4)
        if self.sample_major:
            return torch.tanh(self.shared(views.flatten(0, 1)).view(len(x), 3, 6)).mean(1)
        return torch.tanh(self.shared(views.transpose(0, 1).flatten(0, 1)).view(3, len(x), 6)).mean(0)


class Ragged(nn.Module):
    """Only some of a sample's rows pass the layer, and the layer's output is edited in place."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = nn.Linear(1, 6)
        self.norm = nn.LayerNorm(6)

    def forward(self, x: Tensor) -> Tensor:
        real = (x.flatten() > -0.3).nonzero().squeeze(1)
        rows = F.relu(self.norm(self.rows(x.reshape(-1, 1)[real])), inplace=True)
        return x.new_zeros(x.numel(), 6).index_copy(0, real, rows).view(*x.shape, 6).amax(1)


class Twice(nn.Module):
    """One layer applied twice per sample."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.leave = nn.Linear(5, 5), nn.Linear(5, 6)

    def forward(self, x: Tensor) -> Tensor:
        return self.leave(torch.tanh(self.layer(torch.tanh(self.layer(x)))))


class Convolutions(nn.Module):
    """Strides, paddings, dilations, norms, and a broadcast parameter outside any layer."""

    def __init__(self) -> None:
        super().__init__()
        self.offset = nn.Parameter(torch.randn(1, 2, 5))
        self.first = nn.Conv1d(2, 4, 3, padding=2, dilation=2, stride=2)
        self.first_norm = nn.GroupNorm(2, 4)
        self.second = nn.Conv2d(4, 6, (1, 2), stride=(1, 1), padding=(0, 1), bias=False)
        self.second_norm = nn.BatchNorm2d(6)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.stack([x, x.flip(1)], dim=1) + self.offset
        x = torch.tanh(self.first_norm(self.first(x)))
        return torch.tanh(self.second_norm(self.second(x[:, :, None]))).mean((2, 3))


class Loose(nn.Module):
    """A weight that no layer owns."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(5, 6))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight


class Bypassed(nn.Module):
    """A known layer whose weight is used without calling it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(5, 6)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.layer.weight.tanh(), self.layer.bias)


BATCHED = {
    "folded": lambda: Fold(True),
    "twice": Twice,
    "convolutions": Convolutions,
}


def with_encoder(toy_model: Callable, encoder: nn.Module, norm: str = "batch") -> nn.Module:
    model = toy_model(2, norm=norm, dropout=0.4)
    model.encoders["lidar"] = encoder
    return model.double()


@pytest.mark.parametrize("name", BATCHED)
def test_equals_the_loop(name: str, toy_model: Callable, toy_data: Callable, loss: Callable) -> None:
    torch.manual_seed(1)
    model = with_encoder(toy_model, BATCHED[name]())
    batches = [batch.to(dtype=torch.float64) for batch in toy_data(2, sizes=(7, 40, 1))]
    assert_equal(fisher_diagonal(model, batches, loss), by_loop(model, batches, loss), 1e-12)


@pytest.mark.parametrize("encoder", [Loose, Bypassed, Ragged, lambda: Fold(False)])
def test_falls_back_to_the_loop_with_a_warning(
    encoder: Callable, toy_model: Callable, toy_data: Callable, loss: Callable
) -> None:
    model = with_encoder(toy_model, encoder())
    batches = [batch.to(dtype=torch.float64) for batch in toy_data(2, sizes=(5, 3))]
    with pytest.warns(UserWarning, match=r"no exact batched rule.*encoders\.lidar.*weight|uneven"):
        found = fisher_diagonal(model, batches, loss)
    assert_equal(found, by_loop(model, batches, loss), 1e-12)


def test_compares_with_the_loop_once_per_model(
    toy_model: Callable, toy_data: Callable, loss: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    loop = equipose.balancing.fisher.diagonal.looped_squares

    def counted(model: nn.Module, parameters: dict, batch: Batch, loss: Callable) -> dict[str, Tensor]:
        sizes.append(len(batch))
        return loop(model, parameters, batch, loss)

    monkeypatch.setattr(equipose.balancing.fisher.diagonal, "looped_squares", counted)
    model = toy_model(2)
    fisher_diagonal(model, toy_data(2, sizes=(1, 5, 1)), loss)
    assert sizes == [1, 2], "a single sample cannot show whether rows are in order, so it takes the loop"
    fisher_diagonal(model, toy_data(2, sizes=(1, 5)), loss)
    assert sizes == [1, 2]
    fisher_diagonal(toy_model(2), toy_data(2, sizes=(5,)), loss)
    assert sizes == [1, 2, 2]


def test_rows_that_become_uneven_later_are_noticed(
    toy_model: Callable, toy_data: Callable, loss: Callable
) -> None:
    model = with_encoder(toy_model, Ragged())
    (batch,) = (batch.to(dtype=torch.float64) for batch in toy_data(2, sizes=(5,)))
    batch.inputs["lidar"][:2] = batch.inputs["lidar"][:2].abs()
    batch.inputs["lidar"][2, :2] = -1
    with pytest.warns(UserWarning, match="uneven rows"):
        found = fisher_diagonal(model, [batch], loss)
    assert_equal(found, by_loop(model, [batch], loss), 1e-12)


def pose_batch(size: int, dtype: torch.dtype) -> Batch:
    """Four sensors with padded points, an empty cloud and an absent sensor."""
    rng = torch.Generator().manual_seed(2)
    masks = {name: torch.rand(size, 12, generator=rng) > 0.3 for name in ("lidar", "mmwave")}
    masks["mmwave"][1] = False
    present = torch.ones(size, 4, dtype=torch.bool)
    present[2, 1] = False
    depth = torch.tensor([0.0, 0.0, 3.0])
    batch = Batch(
        inputs={
            "rgb": 200 + 50 * torch.randn(size, 1, 17, 2, generator=rng),
            "lidar": torch.randn(size, 12, 3, generator=rng) + depth,
            "mmwave": torch.randn(size, 12, 5, generator=rng),
            "wifi": torch.rand(size, 3, 114, 10, generator=rng),
        },
        masks=masks,
        present=present,
        pose=torch.randn(size, 17, 3, generator=rng) + depth,
        index=torch.arange(size),
    )
    return batch.to(dtype=dtype)


@pytest.mark.parametrize("preset", ["tiny", "small"])
@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_equals_the_loop_on_real_encoders(preset: str, norm: str, loss: Callable) -> None:
    config = ModelConfig(preset=preset, norm=norm, head_init="zeros")  # type: ignore[arg-type]
    model = build_model(config, seed=0).double()
    batch = pose_batch(5, torch.float64)
    assert_equal(fisher_diagonal(model, [batch], loss), by_loop(model, [batch], loss), 1e-10)


def test_single_precision_is_close(loss: Callable) -> None:
    model = build_model(ModelConfig(preset="small", head_init="zeros"), seed=0)
    batch = pose_batch(6, torch.float32)
    assert_equal(fisher_diagonal(model, [batch], loss), by_loop(model, [batch], loss), 1e-4)


def test_batch_cuts_do_not_matter(
    toy_model: Callable, toy_data: Callable, loss: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = toy_model(3).double()
    (batch,) = (batch.to(dtype=torch.float64) for batch in toy_data(3, sizes=(20,)))
    whole = fisher_diagonal(model, [batch], loss)
    monkeypatch.setattr(equipose.balancing.fisher.pieces, "CHUNK", 3)
    assert_equal(fisher_diagonal(model, [batch], loss), whole, 1e-12)


def test_per_batch_squares_the_mean_gradient(toy_model: Callable, toy_data: Callable, loss: Callable) -> None:
    model = toy_model(2).double().eval()
    batches = [batch.to(dtype=torch.float64) for batch in toy_data(2, sizes=(5, 8))]
    expected: dict[str, Tensor] = {}
    for batch in batches:
        model.zero_grad()
        loss(model(batch).pose, batch.pose).mean().backward()
        for name, parameter in model.named_parameters():
            if name.startswith("encoders."):
                expected[name] = expected.get(name, 0) + parameter.grad.square() / 2
    assert_equal(fisher_diagonal(model, batches, loss, mode="per_batch"), expected, 1e-12)


@pytest.mark.parametrize("mode", ["per_sample", "per_batch"])
def test_uneven_ranks_equal_one_rank(
    mode: str, toy_model: Callable, toy_data: Callable, loss: Callable, thread_ranks: Callable
) -> None:
    model = [toy_model(2).double() for _ in range(3)]
    batches = [batch.to(dtype=torch.float64) for batch in toy_data(2, sizes=(6, 3))]

    def share(rank: int) -> list[Batch]:
        pieces = [
            equipose.balancing.fisher.diagonal.rows_of(batch, slice(rank, None, 2)) for batch in batches
        ]
        return pieces if rank == 0 else pieces[:1]

    joined = [batches[0], equipose.balancing.fisher.diagonal.rows_of(batches[1], slice(0, None, 2))]
    ranks = thread_ranks(2)
    first, second = ranks.run(
        lambda rank: fisher_diagonal(model[rank], share(rank), loss, mode=mode, mean=ranks.mean(rank))
    )
    alone = fisher_diagonal(model[2], joined, loss, mode=mode)
    assert_equal(first, alone, 1e-12)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_frozen_parameters_are_left_out(toy_model: Callable, toy_data: Callable, loss: Callable) -> None:
    model = toy_model(2)
    model.encoders["rgb"].requires_grad_(False)
    fisher = fisher_diagonal(model, toy_data(2), loss)
    assert fisher
    assert all(name.startswith("encoders.lidar") for name in fisher)


def test_scale_follows_the_loss_unit(toy_model: Callable, toy_data: Callable, loss: Callable) -> None:
    model = toy_model(2).double()
    batches = [batch.to(dtype=torch.float64) for batch in toy_data(2)]
    metres = fisher_trace(fisher_diagonal(model, batches, loss))
    millimetres = fisher_trace(fisher_diagonal(model, batches, lambda p, y: 1000 * loss(p, y)))
    assert millimetres == pytest.approx(1e6 * metres)


def test_messages(toy_model: Callable, toy_data: Callable, loss: Callable) -> None:
    with pytest.raises(
        ValueError, match=r"unknown Fisher mode 'exact'; known: \['per_batch', 'per_sample'\]"
    ):
        fisher_diagonal(toy_model(2), toy_data(2), loss, mode="exact")  # type: ignore[arg-type]
    for mode in ("per_sample", "per_batch"):
        with pytest.raises(ValueError, match="no batch"):
            fisher_diagonal(toy_model(2), [], loss, mode=mode)  # type: ignore[arg-type]
    one = {"a": torch.ones(2)}
    with pytest.raises(ValueError, match="names differ"):
        quadratic_penalty(one, one, {"b": torch.ones(2)})


def test_penalty_and_its_gradient() -> None:
    rng = torch.Generator().manual_seed(0)
    shapes = {"a": (3, 4), "b": (5,), "c": ()}
    draw = lambda: {n: torch.randn(s, generator=rng, dtype=torch.float64) for n, s in shapes.items()}  # noqa: E731
    parameters = {name: value.requires_grad_() for name, value in draw().items()}
    anchor, fisher = draw(), {name: value.square() for name, value in draw().items()}
    value = 3 * quadratic_penalty(parameters, anchor, fisher)
    expected = sum(0.5 * (fisher[n] * (parameters[n] - anchor[n]) ** 2).sum() for n in shapes)
    assert value.shape == ()
    torch.testing.assert_close(value, 3 * expected)
    found = torch.autograd.grad(value, list(parameters.values()))
    wanted = torch.autograd.grad(3 * expected, list(parameters.values()))
    torch.testing.assert_close(found, wanted)
    assert quadratic_penalty(parameters, {n: p.detach() for n, p in parameters.items()}, fisher) == 0
