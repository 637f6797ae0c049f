"""The whole pose model: modalities in any order, absence, parameters by modality."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import pytest
import torch

from equipose.models.batch import Batch
from equipose.models.build import ModelConfig, build_model
from equipose.models.fusion import FUSIONS
from equipose.models.model import PoseModel

Make = Callable[..., Batch]


def tiny(**changes: object) -> PoseModel:
    changes = {"preset": "tiny", "norm": "layer", "head_init": "zeros", **changes}
    return build_model(ModelConfig(**changes), seed=1).double()  # type: ignore[arg-type]


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("norm", ["batch", "layer"])
@pytest.mark.parametrize(
    "modalities", [("rgb",), ("wifi", "lidar"), ("mmwave", "rgb", "wifi"), ("rgb", "lidar", "mmwave", "wifi")]
)
def test_any_modalities_in_any_order(
    fusion: str, norm: str, modalities: tuple[str, ...], make_batch: Make
) -> None:
    model = tiny(fusion=fusion, norm=norm, modalities=modalities, unimodal_heads=True)
    batch = make_batch(4)
    outputs = model(batch)
    assert model.modalities == modalities
    assert outputs.features.shape == (4, len(modalities), 16)
    assert outputs.pose.shape == (4, 17, 3)
    assert list(outputs.unimodal) == list(modalities)
    assert all(pose.shape == (4, 17, 3) for pose in outputs.unimodal.values())
    (outputs.pose.sum() + sum(pose.sum() for pose in outputs.unimodal.values())).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_features_do_not_depend_on_the_order_of_the_batch_or_of_the_model(make_batch: Make) -> None:
    names = ("rgb", "lidar", "wifi")
    batch = make_batch(3)
    present = torch.tensor([[True, False, True, True], [True, True, True, False], [False, True, True, True]])
    reference: dict[str, torch.Tensor] = {}
    for order in permutations(names):
        model = tiny(modalities=order)
        columns = [list(batch.inputs).index(name) for name in reversed(order)]
        shuffled = Batch(
            inputs={name: batch.inputs[name] for name in reversed(order)},
            masks=batch.masks,
            present=present[:, columns],
            pose=batch.pose,
            index=batch.index,
        )
        features = model.encode(shuffled)
        for m, name in enumerate(order):
            assert torch.equal(features[:, m], reference.setdefault(name, features[:, m]))
            absent = ~present[:, list(batch.inputs).index(name)]
            assert (features[absent, m] == 0).all()
            assert (features[~absent, m] != 0).any()


def test_an_absent_input_may_hold_anything(make_batch: Make) -> None:
    model = tiny(modalities=("rgb", "lidar", "mmwave", "wifi"), unimodal_heads=True)
    batch = make_batch(4)
    batch.present[1] = torch.tensor([False, True, False, True])
    batch.present[2] = False
    expected = model(batch).pose
    for m, name in enumerate(model.modalities):
        batch.inputs[name][~batch.present[:, m]] = torch.nan
    outputs = model(batch)
    assert torch.equal(outputs.pose, expected)
    outputs.pose.sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_dropping_a_modality_moves_no_batch_statistics(make_batch: Make) -> None:
    states = []
    for dropped in (False, True):
        model, batch = tiny(norm="batch"), make_batch(4)
        batch.present[:2, 1] = not dropped
        model(batch)
        states.append({name: buffer for name, buffer in model.named_buffers() if "running" in name})
    assert states[0]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_an_absent_modality_is_a_zero_feature(make_batch: Make) -> None:
    model, batch = tiny(), make_batch(4)
    full = model.encode(batch)
    batch.present[:, 2] = False
    features = model.encode(batch)
    assert (features[:, 2] == 0).all()
    assert torch.equal(features[:, [0, 1, 3]], full[:, [0, 1, 3]])
    torch.testing.assert_close(model(batch).pose, model.fuse(full, torch.tensor([True, True, False, True])))


def test_encoder_parameters_are_the_named_ones_and_nothing_else() -> None:
    model = tiny(unimodal_heads=True)
    named = dict(model.named_parameters())
    groups = model.encoder_parameters()
    assert tuple(groups) == model.modalities
    grouped = {name for group in groups.values() for name in group}
    assert grouped == {name for name in named if name.startswith("encoders.")}
    for group in groups.values():
        assert all(named[name] is parameter for name, parameter in group.items())


def test_a_modality_that_the_batch_lacks_is_named(make_batch: Make) -> None:
    with pytest.raises(ValueError, match=r"also needs \['wifi'\]"):
        tiny(modalities=("rgb", "wifi"))(make_batch(2, order=("rgb", "lidar")))


def test_a_model_without_heads_has_no_unimodal_output(make_batch: Make) -> None:
    model = tiny()
    assert model.heads is None
    assert model(make_batch(2)).unimodal == {}


@pytest.mark.parametrize("fusion", FUSIONS)
def test_it_can_learn_a_handful_of_poses(fusion: str, make_batch: Make) -> None:
    batch = make_batch(6)
    model = build_model(ModelConfig(preset="tiny", fusion=fusion), mean_pose=batch.pose.mean(0), seed=0)  # type: ignore[arg-type]
    model.double()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(60):
        loss = (model(batch).pose - batch.pose).norm(dim=-1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
