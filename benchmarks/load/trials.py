"""One sweep of many small trials, eight at a time: what gets lost, how MLflow answers, what grows.

`python -m benchmarks load`, or `python -m benchmarks.load.trials <folder> <trials> <concurrent trials>`,
which keeps the folder and writes `load.json` into it. The sweep is an ordinary one (`run_sweep_job`): Ray
Tune and Optuna, a Ray Train run per trial, an MLflow server, figures at the end. About ten seconds of two
cores per trial.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.load.checks import left_in_ray, left_processes, settled, sweep_problems
from benchmarks.load.logging_time import medians, read_times, share_of_trial, share_of_worker, timed_sweeps
from benchmarks.load.watch import CountingProgress, Watch, Watched, look, watched
from equipose.models.build import ModelConfig
from equipose.models.sensors import point_views
from equipose.orchestrator.cluster.capacity import TRIAL_CPUS, Resources
from equipose.orchestrator.cluster.session import ray_session
from equipose.orchestrator.jobs.location import JobLocation
from equipose.orchestrator.sweep.config import SearchSpace, SweepConfig
from equipose.orchestrator.sweep.job import run_sweep_job
from equipose.orchestrator.training.config import DataConfig, OptimizerConfig, TrainConfig
from equipose.pipelines.batches.source import BatchConfig
from equipose.pipelines.prepare import prepare
from equipose.pipelines.readers.simulated import SimulatedSource
from equipose.pipelines.simulator import SimulatorConfig

SUBJECTS = ("S08", "S09", "S18", "S19", "S21", "S25", "S31", "S39")
ACTIONS = ("A02", "A13")
FRAMES = 8
EPOCHS = 2
WARM_UP = 10
"""Trials that may still fill caches; growth counts from their end."""
PATIENCE = 90.0
"""Seconds that processes have to end; Ray's agents notice late."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """What one sweep under load came to."""

    trials: int
    concurrency: int
    minutes: float
    """Of the whole job."""
    states: dict[str, int]
    """How trials ended -> how many."""
    problems: list[str]
    """Lost trials, missing or doubled points; empty when all is well."""
    left: dict[str, Any]
    """What was still there when everything had ended; empty values when nothing was."""
    watched: Watched
    logging_of_worker: float
    """Per cent of the training workers' time, from their first line after imports, spent in logging calls."""
    logging_of_trial: float
    """The same of the trials' whole time, with what they take to make their MLflow runs themselves."""
    timed: int
    """Trials behind the two."""
    making_s: float
    """Seconds that the driver took to make all the trials' MLflow runs."""
    seconds: dict[str, float]
    """Field of `TrialTimes` -> median over trials."""
    whole_job_growth_mib: float
    """Driver's memory after the figures, over that when the warm-up had ended."""


def toy_store(folder: Path) -> Path:
    """A store of 128 simulated frames, with rows in every part of P1-S1."""
    source = SimulatedSource(subjects=SUBJECTS, actions=ACTIONS, config=SimulatorConfig(frames=FRAMES))
    return Path(prepare("simulated", source, folder).path)


def toy_sweep(name: str, store: Path, *, trials: int, concurrency: int, seed: int = 0) -> SweepConfig:
    """Trials of a tiny model with all four sensors; ASHA may stop them after one of two epochs."""
    cpus = len(os.sched_getaffinity(0)) - TRIAL_CPUS * (concurrency + 1)
    batch = BatchConfig(batch_size=16, views=point_views(lidar=16, mmwave=8))
    return SweepConfig(
        name=name,
        base=TrainConfig(
            data=DataConfig(store=str(store), batch=batch),
            model=ModelConfig(preset="tiny"),
            optimizer=OptimizerConfig(step_epochs=30),
            epochs=EPOCHS,
        ),
        paper_window=1,
        space=SearchSpace(window=(0, EPOCHS)),
        trials=trials,
        seed=seed,
        grace_epochs=1,
        resources=Resources(cpus_per_worker=int(100 * min(1.0, cpus / concurrency)) / 100),
        concurrency=concurrency,
    )


def run_load(out: Path, trials: int, concurrency: int, every: float = 5.0) -> Load:
    """Run the sweep in the empty folder `out` and say what came of it."""
    out = out.resolve()
    store = toy_store(out / "store")
    config = toy_sweep("load", store, trials=trials, concurrency=concurrency)
    progress = CountingProgress(trials, mode="lines")
    began = time.monotonic()
    with own_temp(out / "tmp") as temp, timed_sweeps() as making:
        with ray_session(), progress:
            with Watch(out, progress, every, out / "samples.jsonl") as watch:
                outcome = run_sweep_job(config, JobLocation(out=out), progress)
            seconds = time.monotonic() - began
            end = look(progress.ended())
            left: dict[str, Any] = settled(left_in_ray, lambda found: not any(found.values()), PATIENCE)
        left["processes"] = settled(left_processes, lambda found: not found, PATIENCE)
        left["files"] = left_files(temp)
    times = read_times(out / "sweeps" / config.name)
    seen = watched(watch.samples, trials, min(WARM_UP, trials // 3))
    return Load(
        trials=trials,
        concurrency=concurrency,
        minutes=seconds / 60,
        states=dict(outcome.table.frame["state"].value_counts().iter_rows()),
        problems=sweep_problems(out, config.name, trials),
        left=left,
        watched=seen,
        logging_of_worker=share_of_worker(times),
        logging_of_trial=share_of_trial(times),
        timed=len(times),
        making_s=making.seconds,
        seconds=medians(times),
        whole_job_growth_mib=end.driver_mib - seen.driver_warm_mib,
    )


@contextlib.contextmanager
def own_temp(folder: Path) -> Iterator[Path]:
    """A folder for temporary files of this process and those it starts, so that what they leave is seen."""
    folder.mkdir(parents=True)
    before = {name: os.environ.get(name) for name in ("TMPDIR", "RAY_TMPDIR")}
    os.environ |= {"TMPDIR": str(folder), "RAY_TMPDIR": before["RAY_TMPDIR"] or "/tmp"}  # sockets: short
    tempfile.tempdir = None
    try:
        yield folder
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        tempfile.tempdir = None


def left_files(temp: Path) -> list[str]:
    """Names in a folder of temporary files, besides torch's cache, of which each user has one, and the socket
    of Ray's dashboard (`pymp-*`), one per Ray that was started, which Ray's own end leaves."""
    return sorted(
        path.name for path in temp.iterdir() if not path.name.startswith(("torchinductor_", "pymp-"))
    )


def markdown(load: Load) -> str:
    """The findings as Markdown."""
    seen, seconds = load.watched, load.seconds
    rows = {
        "trials": f"{load.trials}, {load.concurrency} at a time: "
        + ", ".join(f"{count} {state}" for state, count in sorted(load.states.items())),
        "time": f"{load.minutes:.1f} min, {60 * load.minutes / load.trials:.1f} s per trial",
        "lost, doubled or missing": "nothing" if not load.problems else "; ".join(load.problems),
        "left behind": "nothing" if not any(load.left.values()) else json.dumps(load.left),
        "request behind the runs page": f"median {seen.runs_s[0]:.2f} s, worst {seen.runs_s[1]:.2f} s",
        "the page itself": f"median {seen.page_s[0]:.2f} s, worst {seen.page_s[1]:.2f} s",
        "driver's memory": f"{seen.driver_warm_mib:.0f} MiB after the warm-up, "
        f"{seen.driver_end_growth_mib:+.0f} MiB at the end of the last trial "
        f"(at most {seen.driver_peak_growth_mib:+.0f}), "
        f"{load.whole_job_growth_mib:+.0f} after figures",
        "logging, of a trial's time": f"{load.logging_of_trial:.2f} % ({load.timed} that ran to the end)",
        "logging, of a training worker's time after imports": f"{load.logging_of_worker:.2f} %",
        "making MLflow runs in the driver": f"{load.making_s / load.trials:.3f} s per trial",
        "MLflow server": f"{seen.mlflow_cores:.2f} cores",
    }
    lines = ["## Load", "", "| what | measured |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in rows.items()]
    lines += ["", "| seconds of a trial, median | |", "|---|---|"]
    lines += [f"| {name} | {value:.3f} |" for name, value in seconds.items()]
    lines += ["", "| largest process of its kind, MiB | after the warm-up | at most |", "|---|---|---|"]
    lines += [f"| {kind} | {first:.0f} | {most:.0f} |" for kind, (first, most) in seen.largest_mib.items()]
    return "\n".join(lines)


def main(trials: int = 200, concurrency: int = 8) -> str:
    """Run the sweep in a temporary folder; Markdown."""
    with tempfile.TemporaryDirectory() as folder:
        return markdown(run_load(Path(folder) / "out", trials, concurrency))


if __name__ == "__main__":
    place = Path(sys.argv[1])
    result = run_load(place, *map(int, sys.argv[2:4]))
    (place / "load.json").write_text(json.dumps(dataclasses.asdict(result), indent=2))
    print(markdown(result))
