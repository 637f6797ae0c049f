"""Names of the methods; adding a method is adding a line here."""

from __future__ import annotations

from balancing.adaptive_awc import AdaptiveAWC
from balancing.agm import AGM
from balancing.awc import AWC
from balancing.compose import within
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
from balancing.relearning import Relearning
from balancing.sample_resampling import SampleResampling

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
}


def method_class(name: str) -> type[Method]:
    """The class registered under a name; ValueError with the known names otherwise."""
    if name not in METHODS:
        raise ValueError(f"unknown method {name!r}; known: {sorted(METHODS)}")
    return METHODS[name]


def method_name(config: MethodConfig) -> str:
    """The name under which the config's method is registered."""
    for name, method in METHODS.items():
        if type(config) is method.Config:
            return name
    known = [method.Config.__qualname__ for method in METHODS.values()]
    raise ValueError(f"{type(config).__qualname__} belongs to no registered method; known: {known}")


def build_method(config: MethodConfig) -> Method:
    """The method of a config, limited to its first `config.window` epochs where one is set."""
    method = METHODS[method_name(config)](config)
    return method if config.window is None else within(range(config.window), method)
