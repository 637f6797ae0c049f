"""What every fusion guarantees, and how they differ."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from equipose.models.fusion import FUSIONS, Fusion, FusionOptions, linear_coalitions, linear_parts
from equipose.models.fusion.cross_attention import TOKENS, CrossAttentionFusion, pooled
from equipose.models.heads import PoseHead
from equipose.models.model import PoseModel

D = 8
CASES = [(name, "zero") for name in FUSIONS] + [("attention", "mask")]
cases = pytest.mark.parametrize(("name", "absent"), CASES)
counts = pytest.mark.parametrize("modalities", [1, 2, 3, 4])


def build(name: str, absent: str, modalities: int, layers: int = 2) -> PoseModel:
    """A model of a fusion and a head; its encoders are never called."""
    torch.manual_seed(0)
    options = FusionOptions(hidden=12, layers=layers, absent=absent)  # type: ignore[arg-type]
    fusion = FUSIONS[name](modalities, D, options)
    encoders = {f"sensor{m}": torch.nn.Identity() for m in range(modalities)}
    return PoseModel(encoders, fusion, PoseHead(fusion.width)).double()


def some_features(modalities: int, batch: int = 5) -> Tensor:
    return torch.randn(batch, modalities, D, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def all_masks(modalities: int) -> Tensor:
    return torch.tensor([[bool(c >> m & 1) for m in range(modalities)] for c in range(2**modalities)])


@cases
@counts
def test_coalitions_at_once_equal_one_fuse_each(name: str, absent: str, modalities: int) -> None:
    model, features, masks = build(name, absent, modalities), some_features(modalities), all_masks(modalities)
    present = torch.rand(5, modalities, generator=torch.Generator().manual_seed(2)) < 0.7
    for available in (None, present):
        together = model.fuse_coalitions(features, masks, available)
        assert together.shape == (2**modalities, 5, 17, 3)
        for c, mask in enumerate(masks):
            kept = mask.expand(5, -1) if available is None else mask & available
            torch.testing.assert_close(together[c], model.fuse(features, kept), rtol=1e-12, atol=1e-12)


@cases
def test_present_may_be_one_row_or_a_row_each_or_nothing(name: str, absent: str) -> None:
    model, features = build(name, absent, 3), some_features(3)
    row = torch.tensor([True, False, True])
    assert torch.equal(model.fuse(features, row), model.fuse(features, row.expand(5, 3)))
    assert torch.equal(model.fuse(features), model.fuse(features, torch.ones(5, 3, dtype=torch.bool)))


@cases
@counts
def test_absent_features_never_reach_the_pose(name: str, absent: str, modalities: int) -> None:
    model, features = build(name, absent, modalities), some_features(modalities)
    for mask in all_masks(modalities):
        spoilt = features.clone()
        spoilt[:, ~mask] = torch.nan
        pose = model.fuse(spoilt, mask)
        assert pose.isfinite().all()
        assert torch.equal(pose, model.fuse(features, mask))
    nothing = model.fuse(features, torch.zeros(modalities, dtype=torch.bool))
    torch.testing.assert_close(nothing, nothing[:1].expand_as(nothing))


@cases
def test_rows_are_independent_and_every_parameter_learns(name: str, absent: str) -> None:
    model, features = build(name, absent, 4), some_features(4)
    pose = model.fuse(features)
    torch.testing.assert_close(pose[2:3], model.fuse(features[2:3]), rtol=1e-12, atol=1e-12)
    (pose * torch.randn_like(pose)).sum().backward()
    for label, parameter in model.named_parameters():
        assert parameter.grad is not None, label
        assert parameter.grad.abs().max() > 0, label


@cases
def test_every_modality_matters(name: str, absent: str) -> None:
    model, features = build(name, absent, 4), some_features(4)
    for m in range(4):
        mask = torch.arange(4) != m
        assert (model.fuse(features) - model.fuse(features, mask)).abs().max() > 1e-6


def test_a_zero_feature_counts_in_attention_only_when_not_masked() -> None:
    features, mask = some_features(3), torch.tensor([True, False, True])
    zero, masked = build("attention", "zero", 3), build("attention", "mask", 3)
    masked.load_state_dict(zero.state_dict())
    assert torch.equal(zero.fuse(features), masked.fuse(features))
    assert (zero.fuse(features, mask) - masked.fuse(features, mask)).abs().max() > 1e-6


def test_a_masked_model_equals_one_that_never_had_the_modality() -> None:
    features = some_features(3)
    three, two = build("attention", "mask", 3), build("attention", "mask", 2)
    state = three.state_dict()
    state["fusion.tokens"] = state["fusion.tokens"][[0, 2]]
    two.load_state_dict(state)
    mask = torch.tensor([True, False, True])
    torch.testing.assert_close(three.fuse(features, mask), two.fuse(features[:, [0, 2]]))


def test_cross_attention_equals_a_model_that_never_had_the_modality() -> None:
    features = some_features(3)
    three, two = build("cross_attention", "zero", 3), build("cross_attention", "zero", 2)
    state = {n: value for n, value in three.state_dict().items() if "asking.1" not in n}
    state = {n.replace("asking.2", "asking.1"): value for n, value in state.items()}
    for name in ("fusion.spread", "fusion.places"):
        state[name] = state[name][[0, 2]]
    two.load_state_dict(state)
    mask = torch.tensor([True, False, True])
    torch.testing.assert_close(three.fuse(features, mask), two.fuse(features[:, [0, 2]]))


def test_cross_attention_pools_what_is_present_by_place() -> None:
    tokens = torch.arange(12.0).view(1, 3, 2, 2)
    assert pooled(tokens, torch.tensor([[True, False, True]])).tolist() == [[[4, 5], [6, 7]]]
    assert not pooled(tokens, torch.zeros(1, 3, dtype=torch.bool)).any()


def test_cross_attention_asks_every_token_of_a_modality() -> None:
    """Keys and values are those of T tokens, not of one, so what is asked for depends on the state."""
    model, features = build("cross_attention", "zero", 1), some_features(1)
    fusion = model.fusion
    assert isinstance(fusion, CrossAttentionFusion)
    memory = fusion._memories(fusion._tokens(features))[0]
    assert memory.shape == (5, TOKENS, 2 * D)
    ask = fusion.asking[0]
    states = [torch.zeros(5, TOKENS, D).double(), some_features(TOKENS)]
    found = [ask(state, memory) - ask(state, torch.zeros_like(memory)) for state in states]
    assert (found[0] - found[1]).abs().max() > 1e-3


@cases
def test_rows_without_any_modality_have_finite_gradients(name: str, absent: str) -> None:
    model, features = build(name, absent, 3), some_features(3).requires_grad_()
    present = torch.ones(5, 3, dtype=torch.bool)
    present[1] = False
    model.fuse(features, present).square().sum().backward()
    assert features.grad is not None
    assert not features.grad[1].any()
    gradients = [features.grad, *(parameter.grad for parameter in model.parameters())]
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("name", ["concat", "mlp", "attention"])
def test_a_missing_token_stands_for_the_feature_of_an_absent_modality(name: str) -> None:
    zero, features, masks = build(name, "zero", 3), some_features(3), all_masks(3)
    tokens = torch.randn(3, D, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    model = PoseModel(dict(zero.encoders), zero.fusion, zero.head, missing=tokens)
    present = torch.rand(5, 3, generator=torch.Generator().manual_seed(2)) < 0.7
    together = model.fuse_coalitions(features, masks, present)
    assert torch.equal(model.fuse(features), zero.fuse(features))
    for c, mask in enumerate(masks):
        filled = features.where((mask & present)[..., None], tokens)
        torch.testing.assert_close(model.fuse(features, mask & present), zero.fuse(filled))
        torch.testing.assert_close(together[c], zero.fuse(filled))
    spoilt = features.where(present[..., None], torch.inf)
    assert torch.equal(model.fuse_coalitions(spoilt, masks, present), together)
    model.fuse(features, present).sum().backward()
    assert model.missing is not None
    assert model.missing.grad is not None
    assert torch.equal(model.missing.grad.any(dim=1), ~present.all(dim=0))


def test_nothing_of_an_absent_modality_but_an_empty_token_enters_attention() -> None:
    model, features = build("attention", "zero", 2, layers=1), some_features(2)
    before = model.fuse(features, torch.tensor([True, False]))
    with torch.no_grad():
        model.fusion.tokens[1].normal_()
    assert torch.equal(before, model.fuse(features, torch.tensor([True, False])))
    assert not torch.equal(before, model.fuse(features))


def test_linear_helpers_agree_with_the_layer() -> None:
    layer = torch.nn.Linear(3 * D, 7).double()
    features = some_features(3)
    torch.testing.assert_close(linear_parts(layer, features).sum(1) + layer.bias, layer(features.flatten(1)))
    present = torch.ones(1, 5, 3, dtype=torch.bool)
    torch.testing.assert_close(linear_coalitions(layer, features, present)[0], layer(features.flatten(1)))


def test_the_base_class_is_abstract() -> None:
    with pytest.raises(NotImplementedError):
        Fusion()(torch.zeros(1, 1, 1), torch.ones(1, 1, dtype=torch.bool))
