"""What the contract suite runs on: the registry, further settings of its methods, and compositions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from equipose.balancing.compose import chain, within
from equipose.balancing.method import Method, MethodConfig
from equipose.balancing.methods.agm import AGM
from equipose.balancing.methods.awc.adaptive import AdaptiveAWC
from equipose.balancing.methods.awc.awc import AWC
from equipose.balancing.methods.awc.continuous import ContinuousAWC
from equipose.balancing.methods.decoupled.dgl import DGL
from equipose.balancing.methods.decoupled.frozen_unimodal import FrozenUnimodal
from equipose.balancing.methods.g_blending import GBlending
from equipose.balancing.methods.mla import MLA
from equipose.balancing.methods.mmpareto import MMPareto
from equipose.balancing.methods.modality_resampling import ModalityResampling
from equipose.balancing.methods.ogm_ge import OGMGE
from equipose.balancing.methods.opm import OPM
from equipose.balancing.methods.pmr import PMR
from equipose.balancing.methods.recon_boost import ReconBoost
from equipose.balancing.methods.regulated.cggm import CGGM
from equipose.balancing.methods.regulated.info_reg import InfoReg
from equipose.balancing.methods.relearning import Relearning
from equipose.balancing.methods.sample_resampling import SampleResampling
from equipose.balancing.methods.subsets.modality_dropout import ModalityDropout
from equipose.balancing.methods.subsets.random_subsets import RandomSubsets
from equipose.balancing.registry import METHODS, build_method


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Something that trains, and the name used in test ids."""

    name: str
    build: Callable[[], Method]
    config: MethodConfig | None = None
    """None for compositions."""
    is_pair: bool = False
    """Both parts pass the whole suite alone; only what composition can break is checked."""


ACTING: dict[str, MethodConfig] = {
    "awc": AWC.Config(free_epochs=0),
    "awc_continuous": ContinuousAWC.Config(free_epochs=0, ratio_s=2.0),
    "awc_adaptive": AdaptiveAWC.Config(free_epochs=0, tolerance=1e9, patience=2),
    "g_blending": GBlending.Config(super_epoch=1),
    "modality_resampling": ModalityResampling.Config(warmup=1, scale_mm=2900.0),
    "sample_resampling": SampleResampling.Config(warmup=1, scale_mm=2900.0),
    "relearning": Relearning.Config(every=1, times=2),
}
"""Settings for methods whose defaults would hardly act within the suite's few small epochs."""

NO_DIAL: dict[str, str] = {
    "plain": "it has no setting",
    "mla": "projection and damping leave the errors of a regression within the seeds",
}
"""Methods that tuning gives only another learning rate, and why."""

VARIANTS: dict[str, MethodConfig] = {
    "awc, as published": AWC.Config(**AWC.published),
    "awc, validation": AWC.Config(contributions="validation", ratio_i=0.1),
    "awc, initial anchor": AWC.Config(anchor="init"),
    "awc, one estimate": AWC.Config(anchor="init", fisher_schedule="once", **AWC.published),
    "awc, other alphas": AWC.Config(strength="alpha", momentum=None, alpha_s=5e4, alpha_i=1e3),
    "awc, batch gradients": AWC.Config(fisher="per_batch", fisher_fraction=0.5, free_epochs=0),
    "awc, short window": AWC.Config(window=2),
    "awc, some steps": AWC.Config(free_epochs=0, window_steps=4),
    "awc_adaptive, gap": AdaptiveAWC.Config(watch="gap", weights="continuous", tolerance=1e9, patience=1),
    "ogm_ge, heads": OGMGE.Config(unimodal="heads", ratio="weakest", window=2),
    "ogm_ge, without noise": OGMGE.Config(noise=0, temperature=0.1, centred=False, min_dims=1),
    "agm, encoders": AGM.Config(scale="encoders", temperature=0.1),
    "opm, heads": OPM.Config(unimodal="heads", rescale="modality", rate=1.0, window=2),
    "pmr, gradients": PMR.Config(act="gradients", eta=0.5, unit=0.02),
    "g_blending, gains only": GBlending.Config(super_epoch=2, gain="positive", fraction=0.5),
    "mmpareto, short window": MMPareto.Config(window=2, keep_length=False),
    "mmpareto, by tensor": MMPareto.Config(stretch="tensor"),
    "modality_resampling, soft": ModalityResampling.Config(
        warmup=0, value="soft", scale_mm=3000.0, alpha=20.0, hide="others"
    ),
    "modality_resampling, validation": ModalityResampling.Config(warmup=0, value="validation", alpha=2.0),
    "sample_resampling, soft": SampleResampling.Config(
        warmup=0, value="soft", which="weakest", hide="others", scale_mm=2000.0
    ),
    "relearning, purity": Relearning.Config(every=2, diagnosis="purity", fraction=0.5, strength=9.0),
    "relearning, shapley": Relearning.Config(every=1, diagnosis="shapley", fraction=0.5),
    "relearning, lead": Relearning.Config(every=1, diagnosis="lead", lead_strength=2.0),
    "mla, normalised": MLA.Config(normalise=True, damping=1.0),
    "mla, without projection": MLA.Config(projection=False, window=2),
    "recon_boost, reweighted": ReconBoost.Config(reading="reweighted", rectify_after=2, window=3),
    "info_reg, always open": InfoReg.Config(threshold=-1e6, strength=10.0),
    "info_reg, short window": InfoReg.Config(window=3),
    "cggm, short window": CGGM.Config(window=2, unit=0.1),
    "dgl, slow encoders": DGL.Config(alpha=0.5, window=3),
    "modality_dropout, rates": ModalityDropout.Config(rates={"rgb": 0.8, "lidar": 0.0}, window=3),
    "random_subsets, probabilities": RandomSubsets.Config(probabilities={"rgb": 0.2, "mmwave": 1.0}),
    "frozen_unimodal, soon": FrozenUnimodal.Config(share=0.25, window=3),
}
"""Other variants of the registered methods."""

COMPOSED: dict[str, Callable[[], Method]] = {
    "awc after a window": lambda: within(range(1, 3), AWC(AWC.Config(anchor="init"))),
    "opm, ogm_ge and g_blending": lambda: chain(opm=OPM(), ogm=OGMGE(), blend=GBlending()),
    "awc and mmpareto": lambda: chain(awc=AWC(), pmr=PMR(), pareto=MMPareto(), ogm=OGMGE()),
    "agm, ogm_ge and awc": lambda: chain(agm=AGM(), ogm=OGMGE(OGMGE.Config(unimodal="heads")), awc=AWC()),
    "two of them": lambda: chain(
        early=within(range(2), AWC(AWC.Config(strength="alpha", alpha_s=1e3, alpha_i=1e3))),
        late=AWC(AWC.Config(contributions="validation")),
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
    "dropout on resampled rows, subsets, info_reg": lambda: chain(
        modality=ModalityResampling(ModalityResampling.Config(warmup=1, scale_mm=2900.0)),
        dropout=ModalityDropout(),
        subsets=RandomSubsets(),
        hold=InfoReg(InfoReg.Config(threshold=-1e6)),
    ),
    "mla on resampled rows": lambda: chain(
        modality=ModalityResampling(ModalityResampling.Config(warmup=1, scale_mm=2900.0)),
        mla=within(range(1, 3), MLA()),
    ),
}


def configured(name: str, config: MethodConfig) -> Subject:
    """A registered method under one config."""
    return Subject(name=name, build=partial(build_method, config), config=config)


def registered() -> list[Subject]:
    """The current content of the registry; a new line there needs none here."""
    return [configured(name, ACTING.get(name, method.Config())) for name, method in METHODS.items()]


def paired(subject: Subject) -> Subject:
    """A registered method after AWC, or, if it replaces the step, after one that never shapes it."""

    def build() -> Method:
        method = subject.build()
        if method.replaces_step:
            return chain(first=Relearning(Relearning.Config(every=1)), second=method)
        return chain(first=AWC(), second=method)

    return Subject(name=f"pair with {subject.name}", build=build, is_pair=True)


def subjects() -> list[Subject]:
    """All subjects of the suite."""
    variants = [configured(name, config) for name, config in VARIANTS.items()]
    composed = [Subject(name=name, build=build) for name, build in COMPOSED.items()]
    return [*registered(), *variants, *composed, *map(paired, registered())]
