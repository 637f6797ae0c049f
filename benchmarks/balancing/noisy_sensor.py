"""What wrong readings of one sensor do to its contribution and to the error, and what hiding them gives back.

The real encoders in one simulated room: seven people train, two others are tested on clean frames. A share of
one sensor's training readings is another recording's. Beside doing nothing stand the identification of noise
(`nis`), its control that hides as many readings at random, and the *true mask*, which no user has: it hides
what the simulator knows to be wrong, and so bounds what any detector could give back. To hide readings is
dropout of the sensor and lowers its contribution by itself; the same readings hidden in clean data show it.

Not a time but a result, so it runs once: `python -m benchmarks noisy_sensor [--seeds 5] [--share 0.2]`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.timing import one_thread
from equipose.balancing.chained import ChainConfig
from equipose.balancing.continual.noise.separation import NoiseSeparation
from equipose.balancing.method import Method, MethodConfig
from equipose.balancing.methods.awc.awc import AWC
from equipose.balancing.registry import METHODS
from equipose.balancing.run import EpochPlan, Run
from equipose.balancing.schedules import fitted
from equipose.experiments.presets.sizes import PRESETS, codes
from equipose.orchestrator.cluster.capacity import Resources
from equipose.orchestrator.evaluation.evaluation import Evaluation
from equipose.orchestrator.grid.run_one import RunsFolder, evaluation_of, work_on
from equipose.orchestrator.grid.run_spec import RunSpec
from equipose.orchestrator.training.config import TrainConfig
from equipose.pipelines.prepare import prepare
from equipose.pipelines.protocols import Task, splits
from equipose.pipelines.readers.simulated import SimulatedSource
from equipose.pipelines.simulator import Contamination, SimulatorConfig
from equipose.pipelines.store import open_store
from equipose.pipelines.store.truth import read_contamination

SENSOR = "rgb"
PEOPLE, ACTIONS, FRAMES = codes("S", *range(1, 11)), codes("A", 3, 13, 19, 22), 40
ROOM = Task.of("tasks:environment=E01")


class TrueMask(Method):
    """Hides the readings that the simulator spoilt; for measuring only."""

    @dataclass(frozen=True, kw_only=True)
    class Config(MethodConfig):
        """Where the truth is."""

        store: str = ""

    config: Config

    def plan_epoch(self, plan: EpochPlan, run: Run) -> EpochPlan:
        """The same visits without the wrong readings."""
        truth = read_contamination(open_store(self.config.store))
        assert truth is not None
        present = plan.present.clone()
        for m, name in enumerate(run.model.modalities):
            wrong = torch.from_numpy(truth.filter(sensor=name)["row"].to_numpy().astype(np.int64))
            present[torch.isin(plan.indices, wrong), m] = False
        return EpochPlan(indices=plan.indices, present=present)


@dataclass(frozen=True)
class Options:
    """What is measured."""

    share: float = 0.4
    """Of the sensor's training readings."""
    kind: str = "swap"
    seeds: int = 3
    epochs: int = 40


def stores(options: Options, folder: Path) -> tuple[str, str]:
    """The clean store and the contaminated one; people who are tested are clean in both."""
    trained_on = {subject for subject, _ in splits("P3", "S2")["train"]} & {*PEOPLE}
    spoilt = Contamination(
        rate=options.share, kinds=(options.kind,), sensors=(SENSOR,), subjects=tuple(sorted(trained_on))
    )
    made = []
    for name, contamination in (("clean", None), ("noisy", spoilt)):
        source = SimulatedSource(
            subjects=PEOPLE,
            actions=ACTIONS,
            config=SimulatorConfig(frames=FRAMES),
            contamination=contamination,
        )
        prepare("simulated", source, folder / name)
        made.append(str(folder / name))
    return made[0], made[1]


def policies(options: Options, clean: str, noisy: str) -> dict[str, TrainConfig]:
    """What is done about the noise -> the run, with AWC, of the first seed."""
    METHODS.setdefault("true_mask", TrueMask)
    base = PRESETS["quick"].resized(options.epochs, None).train_config(clean, "P3", ROOM.split, 0)
    base = replace(base, model=replace(base.model, norm="layer"))
    awc = fitted(AWC.Config(fisher_fraction=0.25), options.epochs)
    nis = fitted(NoiseSeparation.Config(), options.epochs)
    hidden = ChainConfig(parts=(TrueMask.Config(store=noisy), awc))
    spoilt = replace(base, data=replace(base.data, store=noisy))
    return {
        "clean data": replace(base, method=awc),
        "clean data, the same readings hidden": replace(base, method=hidden),
        "nothing done": replace(spoilt, method=awc),
        "true mask": replace(spoilt, method=hidden),
        "nis": replace(spoilt, method=ChainConfig(parts=(nis, awc))),
        "as many at random": replace(spoilt, method=ChainConfig(parts=(replace(nis, act="random"), awc))),
    }


def measured(options: Options, folder: Path) -> dict[str, list[Evaluation]]:
    """Policy -> the evaluation of every seed on the same clean frames of people who were not trained on."""
    runs = RunsFolder(root=folder / "cells", resources=Resources())
    found: dict[str, list[Evaluation]] = {}
    clean, noisy = stores(options, folder)
    for name, config in policies(options, clean, noisy).items():
        specs = [
            RunSpec(name=name, config=replace(config, seed=seed), select="last")
            for seed in range(options.seeds)
        ]
        for spec in specs:
            work_on(spec, runs)
        found[name] = [evaluation_of(spec, runs) for spec in specs]
    return found


def contributions(evaluations: list[Evaluation]) -> tuple[np.ndarray, np.ndarray]:
    """[seeds] Shapley values of the sensor: of the error (mm that it saves), and of the correlation."""
    values = []
    for evaluation in evaluations:
        report, at = evaluation.report, evaluation.modalities.index(SENSOR)
        saved = report.coalitions.shapley(-report.mpjpe_mm)
        values.append((float(saved[at]), float(report.shapley[at])))
    return np.array(values).T[0], np.array(values).T[1]


def table(options: Options, found: Mapping[str, list[Evaluation]]) -> str:
    """A row per policy: means over seeds, with the value of every seed behind them."""
    lines = [
        f"Simulated data; {options.share:.0%} of the training readings of {SENSOR} wrong ({options.kind}); "
        f"AWC, {options.epochs} epochs, {options.seeds} seeds; clean test frames of two other people.",
        "",
        f"| what is done | test error, mm | saved by {SENSOR}, mm | of clean | Pearson Shapley | of clean |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    saved_clean, shapley_clean = (values.mean() for values in contributions(found["clean data"]))
    for name, evaluations in found.items():
        errors = np.array([one.mpjpe_mm for one in evaluations])
        saved, shapley = contributions(evaluations)
        shown = ", ".join(f"{value:.1f}" for value in errors)
        cells = [
            name,
            f"{errors.mean():.1f} ({shown})",
            f"{saved.mean():.1f}",
            f"{saved.mean() / saved_clean:.0%}",
            f"{shapley.mean():.1f}",
            f"{shapley.mean() / shapley_clean:.0%}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> str:
    """Train every policy and return the table as Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks noisy_sensor", allow_abbrev=False)
    for name in ("share", "kind", "seeds", "epochs"):
        usual = getattr(Options(), name)
        parser.add_argument(f"--{name}", type=type(usual), default=usual)
    given, _ = parser.parse_known_args(sys.argv[1:])
    options = Options(**vars(given))
    with tempfile.TemporaryDirectory() as folder, one_thread():
        return table(options, measured(options, Path(folder)))


if __name__ == "__main__":
    print(main())
