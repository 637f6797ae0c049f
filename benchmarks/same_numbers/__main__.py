"""`python -m benchmarks.same_numbers BEFORE AFTER`: do two checkouts compute the same numbers, bit for bit?

Both run the same small jobs on simulated data through their own command line, one after another, and every
metric, weight, kept run and table is compared as exact text. Ends with status 1 if anything differs. With
`--out` a clean BEFORE is run once only; `--only train ranks` takes a few minutes, everything ten or more.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from benchmarks.same_numbers.artefacts import Values
from benchmarks.same_numbers.differences import Row, idle, markdown, rows_of
from benchmarks.same_numbers.parts import PARTS, interrupted, methods_of
from benchmarks.same_numbers.processes import Checkout

FORMAT = 1
"""Raised when parts run or collect something else; what was kept before is then collected anew."""
LIBRARIES = ("torch", "numpy", "ray", "mlflow", "polars", "scikit-learn", "scipy")


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.same_numbers", description=__doc__)
    parser.add_argument("before", type=Path, help="folder of a checkout")
    parser.add_argument("after", type=Path, help="folder of the other")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="some of the parts")
    parser.add_argument("--out", type=Path, help="keeps what clean checkouts computed, for later calls")
    given = parser.parse_args(arguments)
    for folder in (given.before, given.after):
        if not (folder / "pyproject.toml").exists():
            parser.error(f"{folder} is no checkout; give the folder that holds pyproject.toml")
    return given


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts on both checkouts, print the table; 1 if anything differs."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: sys.exit(128 + number))
    given = options(arguments)
    if given.out:
        return compared(given, given.out.resolve())
    with tempfile.TemporaryDirectory(prefix="same-numbers-") as out:
        return compared(given, Path(out).resolve())


def compared(given: argparse.Namespace, out: Path) -> int:
    """Collect, compare and print."""
    checkouts = [Checkout(folder=folder.resolve()) for folder in (given.before, given.after)]
    methods = methods_of(checkouts[0], out / "work")
    # The one after is always run, so that what was kept can never be compared with itself.
    before, after = (
        {part: values_of(part, checkout, methods, out, trust=trust) for part in PARTS if part in given.only}
        for checkout, trust in zip(checkouts, (True, False), strict=True)
    )
    rows = [row for part in before for row in rows_of(part, before[part], after[part])]
    for name, side in (("before", before), ("after", after)):
        rows += resumed_rows(name, side)
    print(f"before: {checkouts[0].folder} {checkouts[0].commit()}, after: {checkouts[1].folder} ", end="")
    print(f"{checkouts[1].commit()}; {machine()}\n\n{markdown(rows)}")
    for method in idle(before.get("train", {}), methods) if "train" in before else ():
        print(f"\n{method} leaves the weights of plain training here; give it settings in `variants.ACTING`")
    return int(any(row.differing for row in rows))


def resumed_rows(name: str, side: dict[str, Values]) -> list[Row]:
    """A checkout's resumed runs against its own uninterrupted ones, as far as both have been run."""
    if "train" not in side:
        return []
    return rows_of(f"resumed, {name} itself", *interrupted(side["train"], side.get("resumed", {})))


def values_of(part: str, checkout: Checkout, methods: list[str], out: Path, *, trust: bool) -> Values:
    """A part's values on a checkout, run now; with `trust` those kept for its commit and this machine."""
    commit = checkout.commit()
    kept = out / "collected" / str(commit) / f"{part}.json"
    wanted = {"format": FORMAT, "machine": machine(), "methods": methods}
    if trust and commit and kept.exists():
        content = json.loads(kept.read_text())
        if {name: content[name] for name in wanted} == wanted:
            values: Values = content["values"]
            return values
    folder, start = out / "work" / part, time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        values = {**PARTS[part](checkout, folder, methods), "run": {"ended": "well"}}
    except RuntimeError as error:
        print(f"{checkout.folder} {part}: {error}", file=sys.stderr, flush=True)
        return {"run": {"ended": f"with an error on {checkout.folder}"}}
    print(f"{checkout.folder} {part}: {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
    if commit:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps({**wanted, "values": values}, indent=0))
    return values


def machine() -> str:
    """What the same code needs to give the same bits: processor and libraries."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "?")
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return f"{model}, Python {platform.python_version()}, {libraries}"


if __name__ == "__main__":
    sys.exit(main())
