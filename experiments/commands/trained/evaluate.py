"""`equipose evaluate`: the errors of a trained model with every subset of its sensors."""

from __future__ import annotations

from pathlib import Path

from tyro.conf import Positional

from equipose.experiments.presets.names import PartName


def evaluate(
    checkpoint: Positional[Path],
    /,
    store: str | None = None,
    part: PartName = "test",
    protocol: str | None = None,
    split: str | None = None,
    out: Path = Path("evaluation"),
    quiet: bool = False,
) -> None:
    """Measure a trained model with every subset of its sensors, per joint, action and room.

    Writes tables, pictures, and `errors.csv` with every number and its interval; `equipose advise` reads it.

    Args:
        checkpoint: Folder of a run, of which the best checkpoint is taken, or of one checkpoint.
        store: Path or URI of a prepared store; by default that of the training.
        part: Frames to measure on; `all` takes every one that has a pose, whatever protocol and split.
        protocol: P1, P2 or P3 (MARS: `MARS`); by default that of the training.
        split: S1, S2 or S3 (MARS: `time` or `subject`); by default that of the training.
        out: Folder to write; files of an earlier evaluation in it are replaced.
        quiet: Print only where the files are.
    """
    import sys

    from equipose.experiments.jobs.console import wide_console
    from equipose.experiments.jobs.trained import opened
    from equipose.orchestrator.evaluation.chosen_frames import choose_frames, held_sensors
    from equipose.orchestrator.evaluation.model_report import evaluate_model, write_report
    from equipose.pipelines.tables.formats import to_rich

    trained, data = opened(checkpoint, store)
    held_sensors(trained, data)
    chosen = choose_frames(trained, data, part=part, protocol=protocol, split=split)
    for doubt in chosen.doubts:
        print(f"equipose: warning: {doubt}", file=sys.stderr)
    tables = write_report(evaluate_model(trained, data, chosen), out)
    if not quiet:
        console = wide_console()
        for table in tables.values():
            console.print(to_rich(table))
    print(f"tables, errors.csv and pictures: {out}\nwhich sensors are worth having: equipose advise {out}")
