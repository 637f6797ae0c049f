"""`awc_sweep.py --preset smoke` over two fusions instead of three, because trials take long to start."""

from __future__ import annotations

from dataclasses import replace

from equipose.experiments.cli import run_script
from equipose.experiments.presets.sizes import PRESETS, Preset, SearchSpace

FUSIONS = ("concat", "mlp")
whole = Preset.space


def space(self: Preset) -> SearchSpace:
    """The search space of the sweep, of fewer fusions."""
    return replace(whole(self), fusion=FUSIONS)


if __name__ == "__main__":
    Preset.space = space  # type: ignore[method-assign]
    PRESETS["smoke"] = replace(PRESETS["smoke"], trials=2 * len(FUSIONS))
    run_script("sweep")
