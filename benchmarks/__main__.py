"""`python -m benchmarks [name ...]`: run benchmarks and print Markdown tables.

Words that begin with `--` are for the benchmark that knows them: `gpu --cpu`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from types import MappingProxyType

BENCHMARKS: Mapping[str, str] = MappingProxyType(
    {
        "alignment": "models.alignment",
        "awc": "balancing.awc",
        "code_shape": "code_shape",
        "fisher": "balancing.fisher",
        "gpu": "gpu",
        "load": "load",
        "loader": "pipelines.loader",
        "methods": "balancing.methods",
        "models": "models.models",
        "noisy_sensor": "balancing.noisy_sensor",
        "peers": "peers",
        "pictures": "models.pictures",
        "quick_sweep": "load.quick_sweep",
        "renderer": "pipelines.renderer",
        "scaling": "scaling",
        "shapley": "balancing.shapley",
        "simulator": "pipelines.simulator",
        "startup": "startup",
        "trial_cost": "load.trial_cost",
    }
)
"""Name -> its module below `benchmarks`, which has a `main() -> str`.

Without a name: `benchmarks.load.soak`, which takes as long as it is told to, and `benchmarks.same_numbers`.
"""


def main() -> None:
    """Run the named benchmarks, or all."""
    chosen = [word for word in sys.argv[1:] if not word.startswith("--")] or sorted(BENCHMARKS)
    unknown = sorted(set(chosen) - set(BENCHMARKS))
    if unknown:
        raise SystemExit(f"unknown benchmark {unknown}; known: {sorted(BENCHMARKS)}")
    for name in chosen:
        print(importlib.import_module(f"benchmarks.{BENCHMARKS[name]}").main(), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
