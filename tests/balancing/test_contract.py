"""What every balancing method must satisfy; a new method gets all of it with one entry in `CASES`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from balancing.adaptive_awc import AdaptiveAWC
from balancing.agm import AGM
from balancing.awc import AWC
from balancing.compose import chain, within
from balancing.continuous_awc import ContinuousAWC
from balancing.g_blending import GBlending
from balancing.method import Method, MethodConfig
from balancing.mla import MLA
from balancing.mmpareto import MMPareto
from balancing.modality_resampling import ModalityResampling
from balancing.ogm_ge import OGMGE
from balancing.opm import OPM
from balancing.plain import Plain
from balancing.pmr import PMR
from balancing.recon_boost import ReconBoost
from balancing.registry import METHODS, build_method, method_name
from balancing.relearning import Relearning
from balancing.sample_resampling import SampleResampling

CASES: dict[str, MethodConfig] = {
    "plain": Plain.Config(),
    "awc": AWC.Config(),
    "awc, initial anchor": AWC.Config(anchor="init"),
    "awc, one estimate": AWC.Config(anchor="init", fisher_schedule="once"),
    "awc, batch contributions": AWC.Config(contributions="batch", alpha_s=5e4, alpha_i=1e3),
    "awc, batch gradients": AWC.Config(fisher="per_batch", fisher_fraction=0.5),
    "awc, short window": AWC.Config(window=2),
    "awc_continuous": ContinuousAWC.Config(alpha_s=1e6),
    "awc_adaptive": AdaptiveAWC.Config(tolerance=1e9, patience=2),
    "awc_adaptive, gap": AdaptiveAWC.Config(
        watch="gap", contributions="batch", weights="continuous", alpha_s=1e6, tolerance=1e9, patience=1
    ),
    "ogm_ge": OGMGE.Config(),
    "ogm_ge, heads": OGMGE.Config(unimodal="heads", ratio="weakest", window=2),
    "ogm_ge, without noise": OGMGE.Config(noise=0, temperature=0.1, centred=False, min_dims=1),
    "agm": AGM.Config(),
    "agm, encoders": AGM.Config(scale="encoders", temperature=0.1),
    "opm": OPM.Config(),
    "opm, heads": OPM.Config(unimodal="heads", rescale="modality", rate=1.0, window=2),
    "pmr": PMR.Config(),
    "pmr, gradients": PMR.Config(act="gradients", eta=0.5, unit=0.02),
    "g_blending": GBlending.Config(super_epoch=1),
    "g_blending, gains only": GBlending.Config(super_epoch=2, gain="positive", fraction=0.5),
    "mmpareto": MMPareto.Config(),
    "mmpareto, short window": MMPareto.Config(window=2, keep_length=False),
    "modality_resampling": ModalityResampling.Config(warmup=1, scale_mm=2900.0),
    "modality_resampling, soft": ModalityResampling.Config(
        warmup=0, value="soft", scale_mm=3000.0, alpha=20.0, hide="others"
    ),
    "modality_resampling, validation": ModalityResampling.Config(warmup=0, value="validation", alpha=2.0),
    "sample_resampling": SampleResampling.Config(warmup=1, scale_mm=2900.0),
    "sample_resampling, soft": SampleResampling.Config(
        warmup=0, value="soft", which="weakest", hide="others", scale_mm=2000.0
    ),
    "relearning": Relearning.Config(every=1, times=2),
    "relearning, purity": Relearning.Config(every=2, diagnosis="purity", fraction=0.5, strength=9.0),
    "mla": MLA.Config(),
    "mla, normalised": MLA.Config(normalise=True, damping=1.0),
    "mla, without projection": MLA.Config(projection=False, window=2),
    "recon_boost": ReconBoost.Config(),
    "recon_boost, reweighted": ReconBoost.Config(reading="reweighted", rectify_after=2, window=3),
}
COMPOSED: dict[str, Callable[[], Method]] = {
    **{name: lambda config=config: build_method(config) for name, config in CASES.items()},
    "awc after a window": lambda: within(range(1, 3), AWC(AWC.Config(anchor="init"))),
    "opm, ogm_ge and g_blending": lambda: chain(opm=OPM(), ogm=OGMGE(), blend=GBlending()),
    "awc and mmpareto": lambda: chain(
        awc=AWC(AWC.Config(contributions="batch")), pmr=PMR(), pareto=MMPareto(), ogm=OGMGE()
    ),
    "agm, ogm_ge and awc": lambda: chain(agm=AGM(), ogm=OGMGE(OGMGE.Config(unimodal="heads")), awc=AWC()),
    "two of them": lambda: chain(
        early=within(range(2), AWC(AWC.Config(alpha_s=1e3, alpha_i=1e3))),
        batch=AWC(AWC.Config(contributions="batch")),
    ),
    "resampling twice, then awc": lambda: chain(
        modality=ModalityResampling(ModalityResampling.Config(warmup=0, value="validation")),
        sample=SampleResampling(SampleResampling.Config(warmup=0, scale_mm=2900.0)),
        awc=within(range(2), AWC()),
    ),
    "relearning and resampling": lambda: chain(
        again=Relearning(Relearning.Config(every=1)),
        modality=ModalityResampling(ModalityResampling.Config(warmup=1, scale_mm=2900.0)),
    ),
    "mla on resampled rows": lambda: chain(
        modality=ModalityResampling(ModalityResampling.Config(warmup=1, scale_mm=2900.0)),
        mla=within(range(1, 3), MLA()),
    ),
}
ACTING = [name for name in COMPOSED if name != "plain"]


def test_every_method_is_covered() -> None:
    assert {method_name(config) for config in CASES.values()} == set(METHODS)


@pytest.mark.parametrize("name", ACTING)
def test_acts_on_training(name: str, toy_training: Callable) -> None:
    plain = toy_training(Method()).fit(3).weights()
    balanced = toy_training(COMPOSED[name]()).fit(3).weights(heads=False)
    assert torch.isfinite(balanced).all()
    assert (plain - balanced).abs().max() > 1e-4


@pytest.mark.parametrize("num_modalities", [2, 4])
@pytest.mark.parametrize("name", CASES)
def test_any_number_of_modalities(name: str, num_modalities: int, toy_training: Callable) -> None:
    plain = toy_training(Method(), num_modalities).fit(3).weights()
    balanced = toy_training(build_method(CASES[name]), num_modalities).fit(3).weights(heads=False)
    assert torch.isfinite(balanced).all()
    assert (name == "plain") == torch.equal(plain, balanced)


@pytest.mark.parametrize("name", CASES)
def test_switched_off_is_plain_bit_for_bit(name: str, toy_training: Callable) -> None:
    options = {"norm": "batch", "dropout": 0.3}
    plain = toy_training(Method(), **options).fit(3)
    off = build_method(replace(CASES[name], window=0))
    assert not off.needs
    assert not off.owns_backward
    assert not off.owns_step
    idle = toy_training(off, **options).fit(3)
    assert torch.equal(plain.weights(), idle.weights())
    assert not idle.logged


@pytest.mark.parametrize("name", COMPOSED)
def test_resume_is_exact(name: str, toy_training: Callable) -> None:
    options = {"norm": "batch", "dropout": 0.3}
    whole = toy_training(COMPOSED[name](), **options)
    saved = [whole.fit(stop).state() for stop in (1, 2, 3)]
    whole.fit(4)
    for state in saved:
        resumed = toy_training(COMPOSED[name](), **options).load(state).fit(4)
        assert torch.equal(whole.weights(), resumed.weights())
        torch.testing.assert_close(whole.method.state_dict(), resumed.method.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize("name", COMPOSED)
def test_ranks_agree_and_equal_one_rank(name: str, toy_training: Callable, thread_ranks: Callable) -> None:
    options = {"norm": "layer", "dtype": torch.float64}
    alone = toy_training(COMPOSED[name](), **options).fit(4).weights()
    ranks = thread_ranks(2)
    pair = [
        toy_training(COMPOSED[name](), rank=rank, world_size=2, mean=ranks.mean(rank), **options)
        for rank in range(2)
    ]
    first, second = ranks.run(lambda rank: pair[rank].fit(4).weights())
    assert torch.equal(first, second)
    torch.testing.assert_close(first, alone, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", COMPOSED)
def test_extra_passes_leave_no_trace(name: str, toy_training: Callable) -> None:
    training = toy_training(COMPOSED[name](), norm="batch", dropout=0.3)
    training.model.train()
    training.model.encoders["lidar"].eval()
    flags = [module.training for module in training.model.modules()]
    before = training.weights()
    run = training.view()
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    training.method.plan_epoch(training.plan(), run)
    training.method.on_epoch_start(run)
    assert torch.equal(torch.rand(4), expected), "a hook drew from the global generator"
    assert torch.equal(training.weights(), before)
    assert [module.training for module in training.model.modules()] == flags
    assert all(parameter.grad is None for parameter in training.model.parameters())
    assert not any(module._forward_hooks for module in training.model.modules())


@pytest.mark.parametrize("name", COMPOSED)
def test_steps_leave_modes_and_statistics_alone(name: str, toy_training: Callable) -> None:
    method = COMPOSED[name]()
    training = toy_training(method, norm="batch", dropout=0.3)
    plain = toy_training(Method(), norm="batch", dropout=0.3)
    training.model.encoders["rgb"].eval()
    plain.model.encoders["rgb"].eval()
    flags = [module.training for module in training.model.modules()]
    for each in (training, plain):
        run = each.view()
        each.method.plan_epoch(each.plan(), run)
        each.method.on_epoch_start(run)
        torch.manual_seed(0)
        each.step(run, 0, each.batches[0])
    assert [module.training for module in training.model.modules()] == flags
    for key, value in training.model.state_dict().items():
        if "running" in key or "tracked" in key:
            assert torch.equal(value, plain.model.state_dict()[key]), key


@pytest.mark.parametrize("name", CASES)
def test_configs_reject_bad_windows(name: str) -> None:
    with pytest.raises(ValueError, match=r"method\.window.*-1"):
        replace(CASES[name], window=-1)
