"""Trains many runs in this process, on a checkout's code, without Ray and MLflow, and keeps their keys.

`python driver.py JOB.json`, with `PYTHONPATH` set to the checkout. The job gives the names of what is needed
from there; the first that there is counts.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any


def first_of(names: list[str], checkout: Path, *, needed: bool = True) -> Any:
    """The first `module:attribute` that exists, which must lie in the checkout; None if not needed."""
    for name in names:
        module, _, attribute = name.partition(":")
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError:
            continue
        if not Path(str(found.__file__)).resolve().is_relative_to(checkout):
            raise SystemExit(f"{module} comes from {found.__file__}, not from {checkout}")
        if hasattr(found, attribute):
            return getattr(found, attribute)
    if not needed:
        return None
    raise SystemExit(f"{checkout} has none of {names}; add the new name to benchmarks.same_numbers.parts")


def main() -> None:
    """List the methods, or train the runs of a job, each also with a stop after its first epoch."""
    job = json.loads(Path(sys.argv[1]).read_text())
    inside = {
        what: first_of(names, Path(job["checkout"]), needed=what != "data")
        for what, names in job["names"].items()
    }
    if "methods" in inside:
        print(json.dumps(list(inside["methods"])))
        return
    folder, keys, opened = Path(job["folder"]), {}, inside["data"]

    def train(config: Any, to: Path) -> None:
        """Later checkouts open a run's data once and pass it on."""
        data = [opened.open(config.data)] if opened else []
        inside["train"](config, *data, to, None)

    for name, settings in job["runs"].items():
        config = inside["config"](settings)
        key = inside["run"](name=name, config=config).key
        keys[name] = key(opened.open(config.data).fingerprint) if callable(key) else key
        train(config, folder / name)
        if name in job["stopped"]:
            train(inside["config"]({**settings, "epochs": 1}), folder / f"{name} resumed")
            train(config, folder / f"{name} resumed")
    (folder / "keys.json").write_text(json.dumps(keys))


if __name__ == "__main__":
    main()
