"""Every registered method trains the real model, with fusions of each kind and 2 to 4 modalities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest
import torch

from equipose.balancing.method import Method
from equipose.balancing.registry import METHODS, build_method, method_class
from equipose.models.batch import Batch
from equipose.models.build import ModelConfig, build_model
from equipose.models.randomness import torch_rng
from equipose.models.sensors import DEFAULT_SENSORS

SHAPES = {"rgb": (1, 17, 2), "lidar": (16, 3), "mmwave": (8, 5), "wifi": (3, 114, 10)}
SOONER: dict[str, dict[str, object]] = {
    "modality_resampling": {
        "warmup": 0,
        "value": "soft",
        "scale_mm": 2000.0,
        "fraction": 1.0,
        "alpha": 300.0,
    },
    "sample_resampling": {"warmup": 0},
    "relearning": {"every": 1},
    "g_blending": {"super_epoch": 1},
}
"""Settings with which methods act within two epochs."""


def real_batches(names: tuple[str, ...], count: int, seed: int) -> list[Batch]:
    """Random sensors and poses, a few sensors absent."""
    rng, size = torch_rng(seed, "real"), 6
    return [
        Batch(
            inputs={name: torch.randn(size, *SHAPES[name], generator=rng) for name in names},
            masks={n: torch.ones(size, SHAPES[n][0], dtype=torch.bool) for n in names if len(SHAPES[n]) == 2},
            present=torch.rand(size, len(names), generator=rng) > 0.1,
            pose=torch.randn(size, 17, 3, generator=rng),
            index=torch.arange(size * k, size * (k + 1)),
            labels={"action": torch.arange(size) % 3 + 1, "subject": torch.arange(size) % 2},
        )
        for k in range(count)
    ]


def trained(method: Method, fusion: str, names: tuple[str, ...], toy_training: Callable) -> torch.Tensor:
    """The model's weights after two epochs, without those of unimodal heads."""
    heads = "unimodal_heads" in method.needs
    config = ModelConfig(
        preset="tiny", modalities=names, fusion=fusion, unimodal_heads=heads,  # type: ignore[arg-type]
        head_init="zeros", norm="layer",
    )  # fmt: skip
    training = toy_training(method, len(names))
    everything = real_batches(names, 3, seed=0)
    training = replace(training, model=build_model(config, seed=0), batches=everything[:2], epoch=0)
    training.held_out = everything[2:]
    return training.fit(2).weights(heads=False)


@cache
def plain(fusion: str, names: tuple[str, ...], toy_training: Callable) -> torch.Tensor:
    """The same after plain training."""
    return trained(Method(), fusion, names, toy_training)


SETTINGS = (
    ("concat", DEFAULT_SENSORS[:2]),
    ("attention", DEFAULT_SENSORS),
    ("mlp", DEFAULT_SENSORS[1:]),
    ("cross_attention", DEFAULT_SENSORS[:3]),
)
ACTING = [name for name in METHODS if name != "plain"]


# Two fusions each, one without and one with attention; test_equivalence.py has two ranks.
@pytest.mark.parametrize(
    ("name", "fusion", "names"),
    [(name, *SETTINGS[k]) for i, name in enumerate(ACTING) for k in ((0, 3), (1, 2))[i % 2]],
)
def test_trains(name: str, fusion: str, names: tuple[str, ...], toy_training: Callable) -> None:
    method = build_method(replace(method_class(name).Config(), **SOONER.get(name, {})))
    balanced = trained(method, fusion, names, toy_training)
    assert torch.isfinite(balanced).all()
    assert (balanced - plain(fusion, names, toy_training)).abs().max() > 1e-5
