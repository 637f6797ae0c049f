"""`python -m benchmarks [name ...]`: run benchmarks and print Markdown tables.

Words that begin with `--` are for the benchmark that knows them: `gpu --cpu`.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path

HELPERS = {"same_numbers", "timing", "__main__"}
"""Also `soak`, which takes as long as it is told to: `python -m benchmarks.load.soak`."""


def names() -> list[str]:
    """Every module beside this one that has a `main()`."""
    folder = str(Path(__file__).parent)
    return sorted(m.name for m in pkgutil.iter_modules([folder]) if m.name not in HELPERS)


def main() -> None:
    """Run the named benchmarks, or all."""
    chosen = [word for word in sys.argv[1:] if not word.startswith("--")] or names()
    unknown = sorted(set(chosen) - set(names()))
    if unknown:
        raise SystemExit(f"unknown benchmark {unknown}; known: {names()}")
    for name in chosen:
        print(importlib.import_module(f"benchmarks.{name}").main(), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
