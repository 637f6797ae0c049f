"""What both decoders guarantee in 2D and 3D, their sizes, and that they learn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from equipose.models.alignment.decoders import DECODERS, Decoder, MLPDecoder, Sampling, ScoreDecoder
from equipose.models.alignment.decoders.network import NetworkConfig, time_waves
from equipose.models.alignment.decoders.score import PUBLISHED

SOURCES = ("image", "flat", "solid")
SMALL: dict[str, dict[str, Any]] = {
    "score": {"network": NetworkConfig(hidden=32, time=8, groups=4, dropout=0.0)},
    "mlp": {"width": 32, "blocks": 2},
}
CASES = [(name, coordinates) for name in DECODERS for coordinates in (2, 3)]
cases = pytest.mark.parametrize(("name", "coordinates"), CASES)


def rng(seed: int = 3) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def build(name: str, coordinates: int, **changes: Any) -> Decoder:
    torch.manual_seed(0)
    config = DECODERS[name].Config(coordinates=coordinates, **SMALL[name] | changes)
    return config.build(12, SOURCES, "layer").double()


def given(coordinates: int, rows: int = 5) -> dict[str, Any]:
    """Embedding, and the box in 2D."""
    embedding = torch.randn(rows, 12, generator=rng(1), dtype=torch.float64)
    box = torch.randn(rows, 3, generator=rng(2), dtype=torch.float64)
    return {"embedding": embedding, "box": box if coordinates == 2 else None}


def poses(coordinates: int, rows: int = 5) -> Tensor:
    return 0.3 * torch.randn(rows, 17, coordinates, generator=rng(4), dtype=torch.float64)


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@cases
def test_losses_and_poses_have_their_shapes(name: str, coordinates: int) -> None:
    decoder = build(name, coordinates)
    losses = decoder(poses(coordinates), source="image", generator=rng(), **given(coordinates))
    assert losses.shape == (5,)
    assert (losses > 0).all()
    found = decoder.sample(source="image", generator=rng(), **given(coordinates))
    assert found.shape == (5, 1, 17, coordinates)
    assert found.isfinite().all()
    one = decoder.decode(source="image", generator=rng(), **given(coordinates))
    assert torch.equal(one, found[:, 0])


@cases
def test_everything_drawn_comes_from_the_generator(name: str, coordinates: int) -> None:
    decoder, told = build(name, coordinates), given(coordinates)
    runs = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        runs.append(
            (
                decoder(poses(coordinates), source="flat", generator=rng(), **told),
                decoder.sample(source="flat", generator=rng(), **told),
            )
        )
    assert torch.equal(runs[0][0], runs[1][0])
    assert torch.equal(runs[0][1], runs[1][1])


@cases
def test_source_embedding_and_box_count(name: str, coordinates: int) -> None:
    decoder, told = build(name, coordinates), given(coordinates)

    def decoded(**changes: Any) -> Tensor:
        return decoder.decode(**{"source": "flat", "generator": rng(), **told, **changes})

    base = decoded()
    assert not torch.allclose(decoded(source="solid"), base)
    assert not torch.allclose(decoded(embedding=told["embedding"].roll(1, 0)), base)
    torch.testing.assert_close(decoded(embedding=5 * told["embedding"]), base)
    torch.testing.assert_close(decoded(source=torch.ones(5, dtype=torch.long)), base)
    mixed = decoded(source=torch.tensor([1, 1, 2, 1, 1]))
    torch.testing.assert_close(mixed[:2], base[:2])
    torch.testing.assert_close(mixed[2], decoded(source="solid")[2])
    if coordinates == 2:
        assert not torch.allclose(decoded(box=told["box"] + 1), base)


@cases
def test_gradient_reaches_every_parameter_and_the_embedding(name: str, coordinates: int) -> None:
    decoder, told = build(name, coordinates), given(coordinates)
    told["embedding"].requires_grad_()
    source = torch.tensor([0, 1, 2, 0, 1])
    decoder(poses(coordinates), source=source, generator=rng(), **told).sum().backward()
    for key, parameter in [("embedding", told["embedding"]), *decoder.named_parameters()]:
        assert parameter.grad is not None, f"{key} would make DDP raise"
        assert parameter.grad.isfinite().all()
    assert told["embedding"].grad.abs().max() > 1e-8


@cases
def test_the_modality_token_can_be_left_out(name: str, coordinates: int) -> None:
    decoder, told = build(name, coordinates, modality_token=False), given(coordinates)
    one, other = (decoder.decode(source=s, generator=rng(), **told) for s in ("image", "solid"))
    assert torch.equal(one, other)
    assert count(build(name, coordinates)) - count(decoder) == 3 * 12


def test_hypotheses_are_different_samples_and_a_single_answer_is_their_mean() -> None:
    decoder = build("score", 3, sampling=Sampling(hypotheses=4))
    found = decoder.sample(source="flat", generator=rng(), **given(3))
    assert found.shape == (5, 4, 17, 3)
    assert (found[:, 0] - found[:, 1]).abs().max() > 1e-6
    one = decoder.decode(source="flat", generator=rng(), **given(3))
    torch.testing.assert_close(one, found.mean(1))
    assert decoder.sample(source="flat", generator=rng(), hypotheses=2, **given(3)).shape[1] == 2
    assert "mean of 4 hypotheses" in decoder.label
    with pytest.raises(ValueError, match="hypotheses=0"):
        decoder.sample(source="flat", generator=rng(), hypotheses=0, **given(3))
    with pytest.raises(ValueError, match="hypotheses=2: regression has one answer"):
        build("mlp", 3).sample(source="flat", generator=rng(), hypotheses=2, **given(3))


@pytest.mark.parametrize("predicts", ["noise", "pose"])
def test_the_score_loss_is_the_formula(predicts: str) -> None:
    decoder, told, pose = build("score", 3, predicts=predicts), given(3), poses(3)
    assert isinstance(decoder, ScoreDecoder)
    t, noise = decoder.draw(pose, rng())
    assert ((t >= 1e-5) & (t <= 1)).all()
    left = torch.exp(-0.25 * t**2 * 19.9 - 0.05 * t)[:, None]
    noisy = left * 3.3 * pose.flatten(1) + (1 - left**2) * noise
    output = decoder.network(noisy, t, decoder.condition(told["embedding"], "flat"))
    score = -output / (1 - left**2)
    published = 0.5 * ((score * (1 - left**2) + noise) ** 2).sum(1) / 51
    wanted = published if predicts == "noise" else ((output - 3.3 * pose.flatten(1)) ** 2).mean(1)
    torch.testing.assert_close(decoder(pose, source="flat", generator=rng(), **told), wanted)


def test_rows_of_a_common_draw_give_their_rows_of_the_losses() -> None:
    decoder, told, pose = build("score", 3), given(3, 6), poses(3, 6)
    assert isinstance(decoder, ScoreDecoder)
    t, noise = decoder.draw(pose, rng())
    whole = decoder.losses_at(pose, told["embedding"], "flat", t, noise)
    half = decoder.losses_at(pose[3:], told["embedding"][3:], "flat", t[3:], noise[3:])
    torch.testing.assert_close(half, whole[3:], rtol=1e-12, atol=1e-12)


def test_several_draws_are_the_mean_of_single_ones() -> None:
    decoder, told, pose = build("score", 3), given(3), poses(3)
    assert isinstance(decoder, ScoreDecoder)
    rows = len(pose)
    found = decoder(pose, source="flat", generator=rng(), draws=2, **told)
    t, noise = decoder.draw(pose, rng(), 2 * rows)
    parts = [
        decoder.losses_at(pose, told["embedding"], "flat", t[first::2], noise[first::2]) for first in (0, 1)
    ]
    torch.testing.assert_close(found, (parts[0] + parts[1]) / 2)
    share = {name: value[2:] if isinstance(value, torch.Tensor) else value for name, value in told.items()}
    mine = decoder(pose[2:], source="flat", generator=rng(), draws=2, start=2, total=rows, **share)
    torch.testing.assert_close(mine, found[2:])


@pytest.mark.parametrize("predicts", ["noise", "pose"])
def test_estimates_of_pose_and_noise_add_up_to_the_input(predicts: str) -> None:
    decoder = build("score", 3, predicts=predicts)
    assert isinstance(decoder, ScoreDecoder)
    x, t = torch.randn(5, 51, generator=rng(), dtype=torch.float64), torch.tensor(0.4, dtype=torch.float64)
    clean, noise = decoder._estimates(x, t, torch.zeros(5, 12, dtype=torch.float64))
    left = torch.exp(-0.25 * t**2 * 19.9 - 0.05 * t)
    torch.testing.assert_close(left * clean + (1 - left**2) * noise, x)


def test_published_size_of_the_score_decoder() -> None:
    decoder = PUBLISHED.build(1024, SOURCES, "batch")
    assert count(decoder.network) == 13_500_979
    assert count(decoder) - count(decoder.network) == 3 * 1024
    assert decoder.label == "mode_flow, 50 steps, 1 hypothesis"
    assert len(MLPDecoder.Config().build(8, SOURCES, "layer").mlp.blocks) == 3


def test_time_waves_tell_times_apart() -> None:
    waves = time_waves(torch.tensor([0.0, 0.001, 1.0], dtype=torch.float64), 6)
    assert waves[0].tolist() == [0, 0, 0, 1, 1, 1]
    torch.testing.assert_close(waves[1, 0], torch.tensor(0.999, dtype=torch.float64).sin())
    torch.testing.assert_close(waves[2, 2], torch.tensor(0.0999, dtype=torch.float64).sin())


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("mlp", {}),
        ("score", {}),
        ("score", {"predicts": "noise", "sampling": Sampling(sampler="mode_flow", steps=50)}),
    ],
)
def test_a_decoder_learns_which_pose_an_embedding_stands_for(name: str, changes: dict[str, Any]) -> None:
    torch.manual_seed(0)
    # Three joints: a network this small cannot tell 51 numbers of noise apart.
    config = DECODERS[name].Config(joints=3, **SMALL[name] | changes)
    decoder, pose = config.build(12, SOURCES, "layer"), poses(3, 4)[:, :3].float()
    embedding = torch.randn(4, 12, generator=rng(1))
    optimizer, generator = torch.optim.Adam(decoder.parameters(), lr=5e-3), rng()
    many = torch.arange(4).repeat(16)
    for _ in range(150):
        optimizer.zero_grad()
        decoder(pose[many], embedding[many], "image", generator=generator).mean().backward()
        optimizer.step()
    with torch.no_grad():
        found = decoder.eval().decode(embedding, "image", generator=rng(9))
    assert (found - pose).norm(dim=-1).mean() < 0.1
    assert (pose - pose.mean(0)).norm(dim=-1).mean() > 0.3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"coordinates": 1}, "coordinates=1"),
        ({"joints": 0}, "joints=0"),
        ({"scale": 0.0}, "scale=0.0"),
        ({"box": True}, "no bounding box"),
    ],
)
@pytest.mark.parametrize("name", DECODERS)
def test_configs_that_cannot_work_are_refused(name: str, change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        DECODERS[name].Config(**change)


@pytest.mark.parametrize(
    ("config", "change", "words"),
    [
        (NetworkConfig(), {"groups": 30}, "multiple of groups=30"),
        (NetworkConfig(), {"time": 5}, "time=5"),
        (NetworkConfig(), {"blocks": 0}, "blocks=0"),
        (NetworkConfig(), {"dropout": 1.0}, "dropout=1.0"),
        (ScoreDecoder.Config(), {"predicts": "score"}, "predicts='score'"),
        (MLPDecoder.Config(), {"blocks": 0}, "blocks=0"),
    ],
)
def test_sizes_that_cannot_work_are_refused(config: Any, change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(config, **change)


@pytest.mark.parametrize("name", DECODERS)
def test_inputs_that_do_not_fit_are_refused(name: str) -> None:
    decoder, told = build(name, 2), given(2)
    with pytest.raises(ValueError, match="source='sound' is unknown"):
        decoder.decode(source="sound", generator=rng(), **told)
    with pytest.raises(ValueError, match="box=None"):
        decoder.decode(told["embedding"], "flat", generator=rng())
    with pytest.raises(ValueError, match=r"\[5, 11\]; give \[rows, 12\]"):
        decoder.decode(told["embedding"][:, :11], "flat", generator=rng())
    with pytest.raises(ValueError, match=r"makes \[rows, 17, 2\]"):
        decoder(poses(3), source="flat", generator=rng(), **told)
    with pytest.raises(ValueError, match="each modality once"):
        DECODERS[name].Config().build(12, ("flat", "flat"), "layer")
