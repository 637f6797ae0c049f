"""Names of the methods; a new method adds one line here."""

from __future__ import annotations

from equipose.balancing.chained import CHAIN, ChainConfig
from equipose.balancing.compose import chain, within
from equipose.balancing.continual.distilled.lwf import LwF
from equipose.balancing.continual.memory.agem import AGEM
from equipose.balancing.continual.memory.derpp import DERpp
from equipose.balancing.continual.memory.gdumb import GDumb
from equipose.balancing.continual.memory.replay import Replay
from equipose.balancing.continual.noise.separation import NoiseSeparation
from equipose.balancing.continual.penalties.ewc import EWC
from equipose.balancing.continual.penalties.ewc_adaptive import AdaptiveEWC
from equipose.balancing.continual.penalties.ewc_online import OnlineEWC
from equipose.balancing.continual.penalties.l2 import L2
from equipose.balancing.continual.penalties.mas import MAS
from equipose.balancing.continual.penalties.si import SI
from equipose.balancing.continual.penalties.weight_averaging import WeightAveraging
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
    "l2": L2,
    "ewc": EWC,
    "ewc_online": OnlineEWC,
    "ewc_adaptive": AdaptiveEWC,
    "si": SI,
    "mas": MAS,
    "weight_averaging": WeightAveraging,
    "lwf": LwF,
    "replay": Replay,
    "derpp": DERpp,
    "agem": AGEM,
    "gdumb": GDumb,
    "nis": NoiseSeparation,
}
"""Methods for a stream of tasks."""


def _every() -> dict[str, type[Method]]:
    """Balancing and continual methods by name."""
    return METHODS | CONTINUAL


def method_class(name: str) -> type[Method]:
    """The class registered under a name; ValueError with the known names otherwise."""
    if name not in _every():
        raise ValueError(f"unknown method {name!r}; known: {sorted(_every())}")
    return _every()[name]


def config_class(name: str) -> type[MethodConfig]:
    """The Config of a method, or of a chain of methods, by its name; ValueError for an unknown one."""
    return ChainConfig if name == CHAIN else method_class(name).Config


def method_name(config: MethodConfig) -> str:
    """The name under which the config's method is registered; `chain` for several."""
    if isinstance(config, ChainConfig):
        return CHAIN
    for name, method in _every().items():
        if type(config) is method.Config:
            return name
    known = [method.Config.__qualname__ for method in _every().values()]
    raise ValueError(f"{type(config).__qualname__} belongs to no registered method; known: {known}")


def method_label(config: MethodConfig) -> str:
    """Such as `awc`, and `nis+ewc` for a chain."""
    parts = config.parts if isinstance(config, ChainConfig) else (config,)
    return "+".join(map(method_name, parts))


def build_method(config: MethodConfig) -> Method:
    """The method of a config, limited to the epochs `config.active` if a window is set.

    Raises ValueError for a config that belongs to no registered method.

    Examples:
        >>> from equipose.balancing.methods.mmpareto import MMPareto
        >>> build_method(MMPareto.Config(gamma=1.0)).config.gamma
        1.0
    """
    if isinstance(config, ChainConfig):
        _check_order([method_name(part) for part in config.parts])
        method = chain(**{method_name(part): build_method(part) for part in config.parts})
    else:
        method = method_class(method_name(config))(config)
    return method if config.active is None else within(config.active, method)


def _check_order(names: list[str]) -> None:
    """Raise ValueError for methods that are chained twice or in an order that would mix up their measures."""
    if len(set(names)) < len(names):
        raise ValueError(f"the chain {names} has one method twice; name each once")
    ranks = [0 if name == "nis" else 1 if name in METHODS else 2 for name in names]
    if ranks != sorted(ranks):
        ordered = [name for _, name in sorted(zip(ranks, names, strict=True), key=lambda pair: pair[0])]
        raise ValueError(
            f"the chain {names} is in the wrong order: noise is separated before anything is measured, "
            f"balancing comes next, and what keeps earlier tasks last; use {ordered}"
        )
