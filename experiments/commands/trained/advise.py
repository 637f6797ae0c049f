"""`equipose advise`: which sensors are worth having."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional

from equipose.experiments.presets.names import PartName

if TYPE_CHECKING:
    from equipose.orchestrator.evaluation.advice import Advice


def advise(
    source: Positional[Path],
    /,
    store: str | None = None,
    cost: tuple[str, ...] = (),
    part: PartName = "test",
    protocol: str | None = None,
    split: str | None = None,
    latency: bool = True,
    out: Path | None = None,
) -> None:
    """Say which sensors of a trained model are worth their cost, and what each further one buys.

    Args:
        source: What `equipose evaluate` has written; or a checkpoint or run, which is evaluated first.
        store: Path or URI of a prepared store; by default that of the evaluation or training.
        cost: Of each sensor, e.g. `money:rgb=50,lidar=900 watts:rgb=2,lidar=8`; they add up over a subset. By
            default the number of sensors.
        part: Frames to evaluate a checkpoint on.
        protocol: Of the part: P1, P2 or P3 (MARS: `MARS`); by default that of the training.
        split: Of the part: S1, S2 or S3 (MARS: `time` or `subject`); by default that of the training.
        latency: Also measure how long each subset takes on this machine.
        out: Folder for the tables and a picture per cost; by default nothing is written.
    """
    import sys

    from equipose.experiments.presets.typed.costs import parse_costs
    from equipose.orchestrator.evaluation.advice import advice_of, write_advice
    from equipose.orchestrator.evaluation.model_report import is_report, read_report

    costs = parse_costs(cost)
    if is_report(source):
        if (protocol, split, part) != (None, None, "test"):
            raise ValueError(f"{source} is evaluated already; leave out --part, --protocol and --split")
        report = read_report(source)
    else:
        from equipose.experiments.jobs.trained import opened
        from equipose.orchestrator.evaluation.chosen_frames import choose_frames, held_sensors
        from equipose.orchestrator.evaluation.model_report import evaluate_model

        trained, data = opened(source, store)
        held_sensors(trained, data)
        chosen = choose_frames(trained, data, part=part, protocol=protocol, split=split)
        for doubt in chosen.doubts:
            print(f"equipose: warning: {doubt}", file=sys.stderr)
        report = evaluate_model(trained, data, chosen)
    found = advice_of(report, costs, store=store, latency=latency)
    print_advice(found)
    if out is not None:
        write_advice(found, out)
        print(f"tables and pictures: {out}")


def print_advice(found: Advice) -> None:
    """Print the front, the steps that lead to it, and where latency was measured."""
    from equipose.experiments.jobs.console import wide_console
    from equipose.pipelines.tables.formats import to_rich

    console = wide_console()
    for table in (found.front, found.steps):
        if table is not None:
            console.print(to_rich(table))
    console.print(found.latency_text, soft_wrap=True, highlight=False, markup=False)
