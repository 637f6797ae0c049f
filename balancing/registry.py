"""Names of the methods; a new method adds one line here."""

from __future__ import annotations

from equipose.balancing.compose import within
from equipose.balancing.continual.noise.separation import NoiseSeparation
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
from equipose.balancing.methods.plain import Plain
from equipose.balancing.methods.pmr import PMR
from equipose.balancing.methods.recon_boost import ReconBoost
from equipose.balancing.methods.regulated.cggm import CGGM
from equipose.balancing.methods.regulated.info_reg import InfoReg
from equipose.balancing.methods.relearning import Relearning
from equipose.balancing.methods.sample_resampling import SampleResampling
from equipose.balancing.methods.subsets.modality_dropout import ModalityDropout
from equipose.balancing.methods.subsets.random_subsets import RandomSubsets

METHODS: dict[str, type[Method]] = {
    "plain": Plain,
    "awc": AWC,
    "awc_continuous": ContinuousAWC,
    "awc_adaptive": AdaptiveAWC,
    "ogm_ge": OGMGE,
    "agm": AGM,
    "opm": OPM,
    "pmr": PMR,
    "g_blending": GBlending,
    "mmpareto": MMPareto,
    "modality_resampling": ModalityResampling,
    "sample_resampling": SampleResampling,
    "relearning": Relearning,
    "mla": MLA,
    "recon_boost": ReconBoost,
    "info_reg": InfoReg,
    "cggm": CGGM,
    "dgl": DGL,
    "modality_dropout": ModalityDropout,
    "random_subsets": RandomSubsets,
    "frozen_unimodal": FrozenUnimodal,
}
"""Balancing methods."""

CONTINUAL: dict[str, type[Method]] = {
    "nis": NoiseSeparation,
}
"""Methods for learning task after task."""


def method_class(name: str) -> type[Method]:
    """The class registered under a name; ValueError with the known names otherwise."""
    known = METHODS | CONTINUAL
    if name not in known:
        raise ValueError(f"unknown method {name!r}; known: {sorted(known)}")
    return known[name]


def method_name(config: MethodConfig) -> str:
    """The name under which the config's method is registered."""
    for name, method in (METHODS | CONTINUAL).items():
        if type(config) is method.Config:
            return name
    known = [method.Config.__qualname__ for method in (METHODS | CONTINUAL).values()]
    raise ValueError(f"{type(config).__qualname__} belongs to no registered method; known: {known}")


def build_method(config: MethodConfig) -> Method:
    """The method of a config, limited to the epochs `config.active` if a window is set.

    Raises ValueError for a config that belongs to no registered method.

    Examples:
        >>> from equipose.balancing.methods.mmpareto import MMPareto
        >>> build_method(MMPareto.Config(gamma=1.0)).config.gamma
        1.0
    """
    method = method_class(method_name(config))(config)
    return method if config.active is None else within(config.active, method)
