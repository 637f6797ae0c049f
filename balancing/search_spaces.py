"""Each method's one dial: the settings that tuning may turn, and how far.

Every method is tuned over the learning rate and one dial of its own, with the same number of tries at the
same places of the dial, so none is tuned harder than another. A method without an entry has no dial.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from equipose.balancing.method import MethodConfig
from equipose.balancing.registry import method_name

Dial = dict[str, tuple[float, float]]
"""Field -> (value at 0, value at 1), positive; in between on a logarithmic scale."""

ALPHAS: Dial = {"alpha_s": (2e3, 2e5), "alpha_i": (1e3, 1e5)}
"""Around the paper's 20k and 10k, a decade to either side, their ratio kept."""

DIALS: dict[str, Dial] = {
    "awc": ALPHAS,
    "awc_continuous": ALPHAS,
    "awc_adaptive": ALPHAS,
    "ogm_ge": {"alpha": (0.03, 3.0)},
    "agm": {"alpha": (0.1, 4.0)},
    "opm": {"base": (0.1, 0.6)},
    "pmr": {"alpha": (0.1, 3.0)},
    "g_blending": {"floor": (1e-4, 1e-2)},
    "mmpareto": {"gamma": (0.75, 3.0)},
    "modality_resampling": {"alpha": (0.25, 2.0)},
    "sample_resampling": {"max_growth": (0.25, 2.0)},
    "relearning": {"strength": (0.5, 6.0)},
    "mla": {"damping": (0.01, 1.0)},
    "recon_boost": {"alpha": (0.05, 5.0)},
}


def at_dial(low: float, high: float, position: float) -> float:
    """The value at a position in [0, 1] of a logarithmic scale from `low` to `high`, both positive."""
    return float(low * (high / low) ** position)


def turned(config: MethodConfig, position: float) -> MethodConfig:
    """The config with its method's dial at `position` in [0, 1]; itself where there is no dial."""
    if not 0 <= position <= 1:
        raise ValueError(f"position of a dial must lie in [0, 1], got {position}")
    dial = DIALS.get(method_name(config), {})
    values: dict[str, Any] = {name: at_dial(*ends, position) for name, ends in dial.items()}
    return replace(config, **values)
