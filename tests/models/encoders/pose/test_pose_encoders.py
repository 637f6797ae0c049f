"""What both pose encoders guarantee in 2D and 3D, their sizes, and boxes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from equipose.models.encoders import NORMS, Norm
from equipose.models.encoders.pose import POSE_ENCODERS, PoseEncoder, PoseMLP, PoseTransformer
from equipose.models.encoders.pose.boxes import box_around, box_token, from_box, to_box

SMALL: dict[str, dict[str, Any]] = {
    "transformer": {"width": 16, "heads": 4, "feed": 24, "layers": 2},
    "mlp": {"width": 20, "blocks": 2},
}
CASES = [(name, c, norm) for name in POSE_ENCODERS for c in (2, 3) for norm in NORMS]
cases = pytest.mark.parametrize(("name", "coordinates", "norm"), CASES)


def build(name: str, coordinates: int, norm: Norm = "batch", **changes: Any) -> PoseEncoder:
    torch.manual_seed(0)
    config = POSE_ENCODERS[name].Config(coordinates=coordinates, **SMALL[name], **changes)
    return config.build(12, norm).double()


def given(coordinates: int, rows: int = 6) -> tuple[Tensor, Tensor | None]:
    """Joints and, in 2D, the box."""
    rng = torch.Generator().manual_seed(1)
    joints = torch.randn(rows, 17, coordinates, generator=rng, dtype=torch.float64)
    box = torch.randn(rows, 3, generator=rng, dtype=torch.float64)
    return joints, box if coordinates == 2 else None


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@cases
def test_gives_finite_embeddings_of_the_asked_width(name: str, coordinates: int, norm: Norm) -> None:
    encoder = build(name, coordinates, norm)
    joints, box = given(coordinates)
    out = encoder(joints, None, box)
    assert out.shape == (6, 12)
    assert out.dtype == torch.float64
    assert out.isfinite().all()
    torch.testing.assert_close(encoder.eval()(joints[:, None], None, box), encoder(joints, None, box))


@cases
def test_rows_are_independent_in_eval_mode(name: str, coordinates: int, norm: Norm) -> None:
    encoder = build(name, coordinates, norm)
    joints, box = given(coordinates)
    encoder(joints, None, box)
    encoder.eval()
    together = encoder(joints, None, box)
    alone = [encoder(joints[i : i + 1], None, None if box is None else box[i : i + 1]) for i in range(6)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-9, atol=1e-9)


@cases
def test_gradient_reaches_every_parameter(name: str, coordinates: int, norm: Norm) -> None:
    encoder = build(name, coordinates, norm)
    joints, box = given(coordinates)
    encoder(joints, None, box).pow(3).sum().backward()
    for key, parameter in encoder.named_parameters():
        assert parameter.grad is not None, f"{key} would make DDP raise"
        assert parameter.grad.isfinite().all()


@cases
def test_layer_norm_keeps_no_batch_statistics(name: str, coordinates: int, norm: Norm) -> None:
    encoder = build(name, coordinates, norm)
    joints, box = given(coordinates)
    half = encoder(joints[:3], None, None if box is None else box[:3])
    same = torch.allclose(encoder(joints, None, box)[:3], half, rtol=1e-9, atol=1e-9)
    assert same == (norm == "layer" or name == "transformer")


@pytest.mark.parametrize("name", POSE_ENCODERS)
def test_every_joint_and_its_place_count(name: str) -> None:
    encoder = build(name, 3).eval()
    joints, _ = given(3)
    out = encoder(joints)
    for joint in range(17):
        moved = joints.clone()
        moved[:, joint] += 1
        assert (encoder(moved) - out).abs().max() > 1e-6, joint
    assert (encoder(joints.flip(1)) - out).abs().max() > 1e-6, "joints that change places must matter"


@pytest.mark.parametrize("name", POSE_ENCODERS)
def test_the_box_counts_in_2d_unless_it_is_left_out(name: str) -> None:
    joints, box = given(2)
    assert box is not None
    encoder = build(name, 2).eval()
    assert (encoder(joints, None, box) - encoder(joints, None, box + 1)).abs().max() > 1e-6
    without = build(name, 2, box=False).eval()
    torch.testing.assert_close(without(joints, None, box), without(joints))
    assert count(without) < count(encoder)


def test_published_sizes() -> None:
    solid = PoseTransformer.Config(coordinates=3).build(1024, "batch")
    # Layers of 4 W^2 + 2 W F and biases; projection, joints, positions, [CLS], last norm; W 256, F 512.
    layers = 3 * (4 * 256 * 257 + 512 * 257 + 256 * 513 + 4 * 256)
    assert count(solid) == layers + 1024 * 257 + 4 * 256 + 17 * 256 + 256 + 512
    wide = PoseTransformer.Config(feed=1024).build(1024, "batch")
    assert count(wide) == pytest.approx(2.64e6, rel=0.002)
    mlp = PoseMLP.Config(coordinates=3).build(1024, "layer")
    assert count(mlp) == 52 * 1024 + 7 * 1024 * 1025 + 7 * 2 * 1024
    assert len(mlp.mlp.blocks) == 3


def test_layers_of_the_transformer_start_unlike_each_other() -> None:
    layers = build("transformer", 3).layers.layers  # type: ignore[union-attr]
    assert not torch.equal(layers[0].linear1.weight, layers[1].linear1.weight)  # type: ignore[index, union-attr]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"coordinates": 4}, "coordinates=4"),
        ({"joints": 0}, "joints=0"),
        ({"box": True, "coordinates": 3}, "no bounding box"),
    ],
)
@pytest.mark.parametrize("name", POSE_ENCODERS)
def test_configs_that_cannot_work_are_refused(name: str, change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        POSE_ENCODERS[name].Config(**change)


@pytest.mark.parametrize(
    ("config", "change", "words"),
    [
        (PoseTransformer.Config(), {"heads": 7}, "multiple of heads=7"),
        (PoseTransformer.Config(), {"layers": 0}, "layers=0"),
        (PoseMLP.Config(), {"blocks": 0}, "blocks=0"),
    ],
)
def test_sizes_that_cannot_work_are_refused(config: Any, change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(config, **change)


@pytest.mark.parametrize("name", POSE_ENCODERS)
def test_inputs_that_do_not_fit_are_refused(name: str) -> None:
    joints, box = given(2)
    encoder = build(name, 2)
    with pytest.raises(ValueError, match=r"context=None: .* \[6, 3\]"):
        encoder(joints)
    with pytest.raises(ValueError, match=r"context=\[6, 2\]"):
        encoder(joints, None, box[:, :2])  # type: ignore[index]
    with pytest.raises(ValueError, match=r"\[6, 16, 2\]; this encoder takes one frame of \[17, 2\]"):
        encoder(joints[:, :16], None, box)
    with pytest.raises(ValueError, match=r"\[6, 3, 17, 2\]"):
        encoder(joints[:, None].expand(-1, 3, -1, -1), None, box)


def test_key_points_in_a_box_fill_two_thirds_of_it() -> None:
    keypoints = torch.tensor([[[100.0, 50.0], [160.0, 250.0], [130.0, 90.0]]])
    centre, side = box_around(keypoints)
    assert centre.tolist() == [[130.0, 150.0]]
    assert side.tolist() == [pytest.approx(1.5 * 200)]
    inside = to_box(keypoints, centre, side)
    assert inside[0, 1].tolist() == [pytest.approx(30 / 150), pytest.approx(2 / 3)]
    torch.testing.assert_close(from_box(inside, centre, side), keypoints)
    hypotheses = inside[:, None].expand(-1, 4, -1, -1)
    torch.testing.assert_close(from_box(hypotheses, centre, side)[:, 3], keypoints)


def test_the_box_token_is_that_of_cliff() -> None:
    centre, side = torch.tensor([[600.0, 400.0]]), torch.tensor([300.0])
    picture = torch.tensor([[1000.0, 1000.0]])
    token = box_token(centre, side, picture, torch.tensor([1000.0]))
    torch.testing.assert_close(token, torch.tensor([[0.28, -0.28, 1.0]]))
    guessed = box_token(centre, side, torch.tensor([[600.0, 800.0]]))
    torch.testing.assert_close(guessed, torch.tensor([[0.84, 0.0, 1.0]]))
