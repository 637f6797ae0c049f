"""Fuzzes every target and prints the outcomes: `python tests/fuzz/run.py --inputs 600 --memory-gib 2`.

Fails on any exception but a ValueError, on an input that takes longer than `PATIENCE`, and, by the system's
limit, on memory. Inputs are made by hypothesis from intact files, the same ones every time.
"""

from __future__ import annotations

import argparse
import faulthandler
import importlib.util
import resource
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from equipose.pipelines.sequence import Defect

PATIENCE = 20
"""Seconds for one input; most take milliseconds."""

NUMBERS = (
    0,
    1,
    2**7,
    2**8 - 1,
    2**15,
    2**16 - 1,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**62,
    2**63 - 1,
    2**63,
    2**64 - 1,
)
WORDS = (
    *(b"null", b"NaN", b"-1", b"1e999", b"9" * 400, b"[" * 60, b"{}", b'"x"', b"../x", b"\\ud800", b"true"),
    *(b"(", b"L", b",", b"\n", b'"', b"'", b":", b"'O'", b"'<V9999'", b"(0,99999999999999999999)", b"True"),
    *(b"", b"\0", b"\xff\xfe"),
)


def load(name: str) -> Any:
    """A module beside this one; test folders are no packages."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def known_targets(folder: Path) -> dict[str, Any]:
    """All targets by name; `folder`: an empty one for the files that must exist on disk."""
    found: dict[str, Any] = load("targets").targets(folder)
    return found | load("triplet_targets").triplet_targets(folder)


def edits() -> st.SearchStrategy[list[tuple[str, int, Any, int]]]:
    """Up to six changes: (kind, position in 1/2^16 of the file, what, how many bytes)."""
    place, length = st.integers(0, 2**16 - 1), st.integers(0, 64)
    number = st.tuples(st.sampled_from(NUMBERS), st.sampled_from((1, 2, 4, 8)))
    change = st.one_of(
        st.tuples(st.just("byte"), place, st.integers(0, 255), st.just(1)),
        st.tuples(st.just("number"), place, number, st.just(0)),
        st.tuples(st.just("word"), place, st.sampled_from(WORDS), length),
        st.tuples(st.just("cut"), place, st.none(), length),
        st.tuples(st.just("end"), place, st.none(), st.just(0)),
        st.tuples(st.just("repeat"), place, st.integers(1, 50), length),
    )
    return st.lists(change, min_size=1, max_size=6)


def damaged(content: bytes, changes: list[tuple[str, int, Any, int]], *, near_ends: bool) -> bytes:
    """The content after the changes; `near_ends` puts them where binary formats keep their tables."""
    data = bytearray(content)
    for kind, place, what, length in changes:
        at = place * len(data) >> 16
        if near_ends and len(data) > 4096:
            at = at % 2048 if place % 2 else len(data) - 1 - at % 2048
        if kind == "byte" and data:
            data[at] = what
        elif kind == "number":
            value, size = what
            data[at : at + size] = (value % 256**size).to_bytes(size, "little")
        elif kind == "word":
            data[at : at + length] = what
        elif kind == "cut":
            del data[at : at + length]
        elif kind == "end":
            del data[at:]
        elif kind == "repeat":
            data[at:at] = data[at : at + length] * what
    return bytes(data)


def inputs(seeds: tuple[bytes, ...]) -> st.SearchStrategy[bytes]:
    """Mostly damaged files, sometimes random bytes."""
    changed = st.builds(
        lambda content, changes, ends: damaged(content, changes, near_ends=ends),
        st.sampled_from(seeds), edits(), st.booleans(),
    )  # fmt: skip
    return st.one_of(changed, changed, changed, st.binary(max_size=600))


def fuzz(name: str, target: Any, count: int) -> Counter[str]:
    """Outcome -> how often, over `count` inputs; anything unexpected is raised with the input."""
    outcomes: Counter[str] = Counter()

    @seed(20_261_121)
    @settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(inputs(target.seeds))
    def one(content: bytes) -> None:
        faulthandler.dump_traceback_later(PATIENCE, exit=True)
        try:
            found = target.read(content)
        except ValueError:
            outcomes["refused"] += 1
        else:
            outcomes["marked" if isinstance(found, Defect) else "read"] += 1
        finally:
            faulthandler.cancel_dump_traceback_later()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for content in target.seeds:
            target.read(content)
        one()
    assert sum(outcomes.values()) >= count // 2, f"{name}: hypothesis made few inputs: {outcomes}"
    return outcomes


def limit_memory(gib: float) -> None:
    """Allow this process `gib` more than it has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + int(gib * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def main() -> None:
    """Run all targets and print one line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=600, help="of every target")
    parser.add_argument("--memory-gib", type=float, default=2.0, help="beyond what the imports take")
    parser.add_argument("--only", default="", help="one target")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        known = known_targets(Path(folder))
        for target in known.values():  # libraries start their threads and reserve their memory
            target.read(target.seeds[0])
        limit_memory(options.memory_gib)
        before, total = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 0
        for name in [options.only] if options.only else known:
            start = time.perf_counter()
            outcomes = fuzz(name, known[name], options.inputs)
            total += sum(outcomes.values())
            print(
                f"{name}: {dict(sorted(outcomes.items()))} in {time.perf_counter() - start:.1f} s", flush=True
            )
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        print(f"total {total} inputs, peak memory grew by {grown:.0f} MiB")


if __name__ == "__main__":
    main()
