from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from equipose.balancing.methods.decoupled.dgl import DGL
from equipose.balancing.methods.decoupled.frozen_unimodal import FrozenUnimodal

Config = FrozenUnimodal.Config
NOISY = {"norm": "batch", "dropout": 0.3}


def encoders(training) -> dict[str, torch.Tensor]:
    state = training.model.state_dict()
    return {n: v.clone() for n, v in state.items() if n.startswith(("encoders.", "heads."))}


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_encoders_freeze_bit_for_bit_and_the_fusion_goes_on(decay: float, toy_training: Callable) -> None:
    training = toy_training(FrozenUnimodal(), **NOISY)
    training.optimizer = torch.optim.Adam(training.model.parameters(), lr=0.02, weight_decay=decay)
    training.fit(1)
    first = encoders(training)
    training.fit(2)
    kept, fusion = encoders(training), training.model.fusion.weight.clone()
    assert not all(torch.equal(first[name], kept[name]) for name in kept)
    training.fit(4)
    assert any("running_mean" in name for name in kept)
    for name, value in encoders(training).items():
        assert torch.equal(value, kept[name]), name
    assert (training.model.fusion.weight - fusion).abs().max() > 1e-3
    assert training.model.encoders.training, "the mode is restored after each step"


def test_frozen_features_have_no_dropout(toy_training: Callable) -> None:
    training = toy_training(FrozenUnimodal(), **NOISY).fit(3)
    seen = []
    fuse = training.model.fuse
    training.model.fuse = lambda features, present=None: seen.append(features) or fuse(features, present)
    training.batches = training.batches[:1] * 2
    run, batch = training.view(), training.batches[0]
    for index in range(2):
        training.step(run, index, batch)
    assert torch.equal(seen[0], seen[1])


def test_encoders_learn_as_if_each_were_alone(toy_training: Callable) -> None:
    """In the first part no encoder depends on what the others have: it is DGL with equal steps."""
    alone = toy_training(FrozenUnimodal(Config(share=1.0)), **NOISY).fit(3)
    together = toy_training(DGL(DGL.Config(alpha=1.0)), **NOISY).fit(3)
    assert torch.equal(alone.weights(), together.weights())
    disturbed = toy_training(FrozenUnimodal(Config(share=1.0)))
    for batch in disturbed.batches:
        batch.inputs["lidar"].neg_()
    undisturbed = toy_training(FrozenUnimodal(Config(share=1.0)))
    a, b = encoders(disturbed.fit(2)), encoders(undisturbed.fit(2))
    assert all(torch.equal(a[n], b[n]) for n in a if ".rgb." in n)
    assert not all(torch.equal(a[n], b[n]) for n in a if ".lidar." in n)


@pytest.mark.parametrize(
    ("share", "epochs", "expected"), [(0.5, 4, 2), (0.5, 50, 25), (0.25, 1, 1), (0.01, 10, 1), (1.0, 7, 7)]
)
def test_the_share_of_the_run(share: float, epochs: int, expected: int, toy_training: Callable) -> None:
    method = FrozenUnimodal(Config(share=share))
    run = replace(toy_training(method).view(), epochs=epochs)
    frozen = [method.frozen(replace(run, epoch=epoch)) for epoch in range(epochs)]
    assert frozen == [False] * expected + [True] * (epochs - expected)


def test_rejects() -> None:
    with pytest.raises(ValueError, match=r"frozen_unimodal\.share must lie in \(0, 1\], got 0"):
        Config(share=0.0)
