"""The aligned model: embeddings, coalitions, retrieval, decoding, running averages."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from equipose.models.alignment.build import build_aligned
from equipose.models.alignment.config import AlignedConfig
from equipose.models.alignment.model import AlignedModel
from equipose.models.batch import Batch, rows_of

TINY = AlignedConfig(preset="tiny", norm="layer")
BOTH = ("pose", "keypoints")


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch_of(rows: int = 5) -> Batch:
    draws = rng()
    pose = 0.4 * torch.randn(rows, 17, 3, generator=draws)
    return Batch(
        inputs={
            "image": torch.rand(rows, 3, 64, 64, generator=draws),
            "keypoints": 500 + 100 * torch.randn(rows, 17, 3, generator=draws),
        },
        masks={},
        present=torch.ones(rows, 2, dtype=torch.bool),
        pose=pose - pose[:, :1],
        index=torch.arange(rows),
        context={
            "box": torch.tensor([[500.0, 500.0, 400.0]]).repeat(rows, 1),
            "intrinsics": torch.tensor([[1000.0, 1000.0, 1100.0, 1100.0, 500.0, 500.0]]).repeat(rows, 1),
        },
        targets={"exact_keypoints": 500 + 100 * torch.randn(rows, 17, 2, generator=draws)},
    )


def made(config: AlignedConfig = TINY, **changes: Any) -> AlignedModel:
    return build_aligned(replace(config, **changes), seed=0).eval()


def test_one_embedding_a_view_and_zeros_for_what_is_absent() -> None:
    batch = batch_of()
    batch.present[1, 0] = False
    found = made()(batch).embeddings
    assert list(found) == ["image", "keypoints", "skeleton"]
    assert {tuple(rows.shape) for rows in found.values()} == {(5, TINY.space)}
    assert (found["image"][1] == 0).all()
    assert (found["image"][0] != 0).any()


def test_a_row_depends_on_that_row_alone() -> None:
    model, batch = made(decoders=BOTH), batch_of()
    with torch.no_grad():
        features = model.encode(batch)
        whole = model.fuse(features)
        part = model.fuse(model.encode(rows_of(batch, slice(2, 4))))
    torch.testing.assert_close(part, whole[2:4], rtol=1e-4, atol=1e-5)


def test_coalitions_are_fusions_of_what_is_present() -> None:
    model, batch = made(decoders=BOTH), batch_of()
    masks = torch.tensor([[False, False], [True, False], [False, True], [True, True]])
    with torch.no_grad():
        features = model.encode(batch)
        found = model.fuse_coalitions(features, masks, batch.present)
        assert torch.equal(found[0], model.mean_pose.expand(5, 17, 3))
        for poses, mask in zip(found, masks, strict=True):
            torch.testing.assert_close(poses, model.fuse(features, mask))
        alone = model.decode("pose", features[:, 1], "keypoints")
    torch.testing.assert_close(found[2], alone)
    assert not torch.allclose(found[1], found[3])


def test_retrieval_answers_with_a_pose_of_the_gallery() -> None:
    model, batch = made(), batch_of()
    with pytest.raises(ValueError, match="shown no gallery"):
        model.fuse(model.encode(batch))
    model.show(batch.pose)
    assert torch.equal(model.retrieve(model.embed_poses(batch.pose)), batch.pose)


def test_encoders_and_decoders_start_alike_whatever_else_the_model_has() -> None:
    small, large = made(modalities=("keypoints",)), made(decoders=BOTH)
    for name, value in small.state_dict().items():
        if name.startswith("encoders."):
            assert torch.equal(value, large.state_dict()[name]), name


def test_the_average_follows_the_weights_and_is_what_decodes() -> None:
    model, batch = made(decoders=("pose",)), batch_of()
    assert model.averaged is not None
    features = model.encode(batch).detach()
    before = model.fuse(features)
    with torch.no_grad():
        for parameter in model.decoders.parameters():
            parameter.add_(1.0)
    assert torch.equal(model.fuse(features), before), "until the average moves"
    old = next(model.averaged.parameters()).clone()
    model.update_average()
    live = next(model.decoders.parameters())
    kept = 2 / 11  # (1 + n) / (10 + n) after the first step
    torch.testing.assert_close(next(model.averaged.parameters()), kept * old + (1 - kept) * live)
    assert not any(parameter.requires_grad for parameter in model.averaged.parameters())


def test_freezing_keeps_weights_and_evaluation_mode() -> None:
    model = made().train()
    model.freeze(("encoders.keypoints",))
    assert not model.encoders["keypoints"].training
    assert model.encoders["image"].training
    model.eval().train()
    assert not model.encoders["keypoints"].training
    assert not any(parameter.requires_grad for parameter in model.encoders["keypoints"].parameters())
    with pytest.raises(ValueError, match=r"frozen='encoders\.sonar'.*encoders\.image"):
        model.freeze(("encoders.sonar",))


def test_the_mean_of_two_directions_is_told_both_tokens() -> None:
    model = made(decoders=("pose",))
    decoder: Any = model.decoders["pose"]
    embedding = torch.randn(2, TINY.space, generator=rng())
    half = torch.tensor([[0.5, 0.5, 0.0]]).repeat(2, 1)

    def told(source: str | Tensor) -> Tensor:
        return decoder.condition(embedding, source)

    torch.testing.assert_close(told(half), (told("image") + told("keypoints")) / 2)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"preset": "huge"}, "preset='huge'"),
        ({"image": "resnet"}, "image='resnet'"),
        ({"modalities": ("skeleton",)}, "always there"),
        ({"modalities": ("sonar",)}, "unknown sensor 'sonar'"),
        ({"decoders": ("depth",)}, "decoders="),
        ({"width": 0}, "width=0"),
        ({"steps": 0}, "steps=0"),
        ({"modalities": ("keypoints",), "image_weights": "w.pth"}, "has no image"),
    ],
)
def test_settings_that_cannot_work_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(TINY, **change)


def test_what_differs_from_the_earlier_stage_is_named() -> None:
    assert "encoders.keypoints." in TINY.shares_with(replace(TINY, modalities=("keypoints",)))
    assert replace(TINY, decoders=BOTH).shares_with(TINY) == TINY.shares_with(TINY)
    with pytest.raises(ValueError, match=r"model\.norm is 'layer'"):
        TINY.shares_with(replace(TINY, norm="batch"))
    with pytest.raises(ValueError, match="encoder of keypoints"):
        TINY.shares_with(replace(TINY, pose_encoder="mlp"))
