"""Small sweeps in one driver, one after another until time is up: does anything grow, or stay behind?

`python -m benchmarks.load.soak <results folder> <minutes>`; `soak.json` in the folder keeps every round. Ray
and the MLflow server stay up for the whole time, as on a cluster, so what a sweep leaves in them adds up.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from scipy.stats import theilslopes

from benchmarks.load.checks import left_in_ray, left_processes, settled, sweep_problems
from benchmarks.load.process_table import open_files
from benchmarks.load.trials import PATIENCE, left_files, own_temp, toy_store, toy_sweep
from benchmarks.load.watch import CountingProgress, look
from equipose.orchestrator.cluster.session import ray_session
from equipose.orchestrator.jobs.location import JobLocation
from equipose.orchestrator.sweep.job import run_sweep_job
from equipose.orchestrator.tracking.server import tracking_server

TRIALS = 8
CONCURRENCY = 8
LOOKS = 15
"""At open files; they cover the pauses in which Ray asks for news."""
WARM_UP = 2
"""Rounds that may still fill caches."""
LASTING = ("MLflow server", "Ray GCS", "Ray raylet", "Ray dashboard")
"""Kinds of processes that live for the whole soak."""


@dataclass(frozen=True, kw_only=True)
class Round:
    """What was there when one sweep of the soak had ended and its processes were gone."""

    minute: float
    """Since the start."""
    problems: list[str]
    """Lost trials, missing or doubled points of this sweep."""
    memory_mib: dict[str, float]
    """`driver`, and of every lasting kind the largest process."""
    open_files: int
    """That stay open."""
    threads: int
    temp_files: int
    placement_groups: int
    actors: int
    """Alive."""


def run_soak(out: Path, minutes: float) -> list[Round]:
    """Sweep in the empty folder `out` for so long; at least once, and the last sweep runs to its end."""
    out = out.resolve()
    store = toy_store(out / "store")
    rounds: list[Round] = []
    began = time.monotonic()
    with own_temp(out / "tmp") as temp:
        with tracking_server(out), ray_session():
            while not rounds or time.monotonic() < began + 60 * minutes:
                one_sweep(out, store, len(rounds))
                rounds.append(round_of(out, temp, len(rounds), began))
                print(json.dumps(dataclasses.asdict(rounds[-1])), flush=True)
        left = settled(left_processes, lambda found: not found, PATIENCE)
    if left or left_files(temp):
        raise RuntimeError(f"left behind: processes {left}, files {left_files(temp)}")
    return rounds


def one_sweep(out: Path, store: Path, number: int) -> None:
    """The whole job: trials, test part, figures."""
    config = toy_sweep(f"soak-{number:03d}", store, trials=TRIALS, concurrency=CONCURRENCY, seed=number)
    with CountingProgress(TRIALS, mode="quiet") as progress:
        run_sweep_job(config, JobLocation(out=out), progress)


def round_of(out: Path, temp: Path, number: int, began: float) -> Round:
    """Look around after sweep `number`, once its actors have ended."""
    held = settled(left_in_ray, lambda found: not any(found.values()), PATIENCE)
    now = look(TRIALS)
    lasting = {kind: now.largest_mib[kind] for kind in LASTING if kind in now.largest_mib}
    return Round(
        minute=(time.monotonic() - began) / 60,
        problems=sweep_problems(out, f"soak-{number:03d}", TRIALS),
        memory_mib={"driver": now.driver_mib, **lasting},
        open_files=lasting_files(),
        threads=now.threads,
        temp_files=len(left_files(temp)),
        placement_groups=held["placement groups"],
        actors=held["actors"],
    )


def lasting_files() -> int:
    """Files and sockets that stay open: the fewest of several looks, since connections come and go."""
    counts = []
    for _ in range(LOOKS):
        counts.append(open_files())
        time.sleep(0.2)
    return min(counts)


def growth(values: list[float], warm_up: int = WARM_UP) -> float:
    """How much the values have risen over the rounds after the warm-up, in their unit.

    The slope of Theil and Sen (median of the slopes between all pairs) times the number of steps: neither a
    single outlier nor a single step up counts as a trend. 0 for fewer than three values.
    """
    warm = values[warm_up:]
    return float(theilslopes(warm).slope) * (len(warm) - 1) if len(warm) > 2 else 0.0


def main(minutes: float = 20.0, out: Path | None = None) -> list[Round]:
    """Soak in `out`, keep the rounds in `soak.json` there."""
    place = out or Path("soak")
    rounds = run_soak(place, minutes)
    (place / "soak.json").write_text(json.dumps([dataclasses.asdict(entry) for entry in rounds], indent=2))
    return rounds


if __name__ == "__main__":
    main(float(sys.argv[2]), Path(sys.argv[1]))
