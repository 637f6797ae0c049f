"""The parts of the proof: what is run on a checkout, and which of its values count."""

from __future__ import annotations

import contextlib
import json
import pickle
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.same_numbers.artefacts import CHECKPOINT, Values, collected, ended_runs
from benchmarks.same_numbers.processes import Checkout, run, run_until
from benchmarks.same_numbers.variants import all_runs

NAMES: dict[str, list[str]] = {
    "methods": ["balancing.registry:METHODS"],
    "config": ["orchestrator.config:from_json", "orchestrator.training.config:from_json"],
    "train": [
        "orchestrator.cell_work:train_alone",
        "orchestrator.grid.run_one:train_alone",
        "orchestrator.grid.launch:train_alone",
    ],
    "data": ["orchestrator.training.data:RunData"],
    "run": [
        "orchestrator.cells:Cell",
        "orchestrator.grid.run_spec:Cell",
        "orchestrator.grid.run_spec:RunSpec",
    ],
}
"""All names inside a checkout that the proof uses, old and new: the registry of methods, a run from its JSON
form, training in one process, the data that later checkouts open first, and what knows a run's key."""
TRIALS = ("trial-000", "trial-001")
"""The sweep's first trials, whose settings are given."""
SMOKE = ("--preset", "smoke")
KILLED, REFERENCE = "killed", "awc"
"""The run that is killed, and the same one without interruption."""
TRIES = 3
NO_COPIES = re.compile("^(?![^/]*/best/)")
"""Older checkouts keep the best epoch of a run in training twice: under its number and as `best`."""
PARTED = re.compile(rf"^({KILLED}|.* resumed)/epoch 2/")
HALF_WRITTEN = (RuntimeError, EOFError, OSError, ValueError, KeyError, pickle.UnpicklingError)
ABSENT = "absent"


def methods_of(checkout: Checkout, out: Path) -> list[str]:
    """Names of the methods that a checkout registers."""
    found: list[str] = json.loads(_drive(checkout, out, ("methods",), {}))
    return found


def train(checkout: Checkout, out: Path, methods: list[str]) -> Values:
    """Every method and more in one process, each method also stopped after an epoch and gone on with."""
    text = run(checkout, (*checkout.cli, "train", *SMOKE, "--dry-run", "--out", str(out)), out)
    runs = all_runs(json.loads(text[text.index("{") :]), methods)
    folder = out / "runs"
    folder.mkdir()
    job = {"runs": runs, "stopped": methods, "folder": str(folder)}
    _drive(checkout, out, ("config", "train", "data", "run"), job)
    return collected(out, NO_COPIES)


def resumed(checkout: Checkout, out: Path, methods: list[str]) -> Values:
    """A run on Ray Train, killed after its first epoch and gone on with; `train` has it uninterrupted."""
    for attempt in range(TRIES):
        job = out / f"job-{attempt}"
        arguments = (*checkout.cli, "train", *SMOKE, "--name", KILLED, "--out", str(job))
        run_until(checkout, arguments, out, partial(first_epochs, job), 0.01)
        before = first_epochs(job)
        run(checkout, arguments, out)
        # The seconds that an epoch took are those of the process that trained it.
        if set(before) == {1} and before[1] == first_epochs(job)[2]:
            return collected(job, re.compile(""))
    raise RuntimeError(f"in {TRIES} tries no run was killed after its first epoch and went on from there")


def ranks(checkout: Checkout, out: Path, methods: list[str]) -> Values:
    """A run of two ranks."""
    run(checkout, (*checkout.cli, "train", *SMOKE, "--workers", "2", "--out", str(out)), out)
    return collected(out, re.compile(""))


def sweep(checkout: Checkout, out: Path, methods: list[str]) -> Values:
    """The first two trials of a sweep, which is ended once it has them."""
    arguments = (*checkout.cli, "sweep", *SMOKE, "--out", str(out))
    run_until(checkout, arguments, out, lambda: ended_runs(out).issuperset(TRIALS), 0.5)
    return collected(out, re.compile("|".join(f"(^|/){trial}/" for trial in TRIALS)))


def compare(checkout: Checkout, out: Path, methods: list[str]) -> Values:
    """A comparison: kept runs, their test part, tables."""
    run(checkout, (*checkout.cli, "compare", *SMOKE, "--quiet", "--out", str(out)), out)
    return collected(out, re.compile(""))


def tables(checkout: Checkout, out: Path, methods: list[str]) -> Values:
    """The paper's tables of the first protocol, in all three fusions, and every ablation."""
    arguments = ("tables", *SMOKE, "--columns", "P1", "--quiet", "--out", str(out))
    run(checkout, (*checkout.cli, *arguments), out)
    return collected(out, re.compile(""))


PARTS: Mapping[str, Callable[[Checkout, Path, list[str]], Values]] = {
    "train": train,
    "resumed": resumed,
    "ranks": ranks,
    "sweep": sweep,
    "compare": compare,
    "tables": tables,
}
"""Name on the command line -> what is run in a fresh folder, and its values."""


def first_epochs(out: Path) -> dict[int, dict[str, float]]:
    """Epochs that a training job's complete checkpoints count -> what each says of the first epoch."""
    found = {}
    for path in out.glob(f"train/*/checkpoint_*/{CHECKPOINT}"):
        with contextlib.suppress(*HALF_WRITTEN):
            state = torch.load(path, map_location="cpu", weights_only=True)
            found[state["epoch"]] = state["history"][0]
    return found


def interrupted(train: Values, resumed: Values) -> tuple[Values, Values]:
    """The last epoch of runs without interruption, and under the same labels of those that were resumed."""
    whole, again = Values(), Values()
    for kind in ("weights", "state", "metrics"):
        found = {**train.get(kind, {}), **resumed.get(kind, {})}
        again[kind] = {key: value for key, value in found.items() if PARTED.search(key)}
        whole[kind] = {key: train.get(kind, {}).get(_without_break(key), ABSENT) for key in again[kind]}
    return whole, again


def _without_break(label: str) -> str:
    return label.replace(f"{KILLED}/", f"{REFERENCE}/").replace(" resumed/", "/")


def _drive(checkout: Checkout, out: Path, names: tuple[str, ...], job: dict[str, Any]) -> str:
    """Run `driver.py` on a checkout with some of `NAMES`; what it prints."""
    spelled = {what: [f"{checkout.package}{name}" for name in NAMES[what]] for what in names}
    out.mkdir(parents=True, exist_ok=True)
    path = out / "driver-job.json"
    path.write_text(json.dumps({**job, "names": spelled, "checkout": str(checkout.folder)}))
    return run(checkout, ("-P", str(Path(__file__).with_name("driver.py")), str(path)), out)
