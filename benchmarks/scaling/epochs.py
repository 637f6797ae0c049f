"""What an epoch costs as frames, sensors and workers grow; simulated data, `small` preset."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmarks.balancing.shapley import config_of
from benchmarks.scaling.curves import Curve, Panel, measured
from benchmarks.timing import cpu_seconds
from equipose.models.sensors import DEFAULT_SENSORS, SENSORS
from equipose.orchestrator.cluster.capacity import Resources
from equipose.orchestrator.cluster.session import ray_session
from equipose.orchestrator.ray_train.run import run_training
from equipose.orchestrator.training.build import build_training
from equipose.orchestrator.training.config import TrainConfig
from equipose.orchestrator.training.loop import run_epoch

STRIDES = (16, 8, 4, 2, 1)
EPOCHS = 4


def epoch_of(config: TrainConfig) -> Callable[[], float]:
    """CPU seconds of an epoch with its validation and contributions, in this process."""
    training = build_training(config)
    return lambda: cpu_seconds(lambda: run_epoch(training))


def frames_panel(store: Path) -> Panel:
    """Training frames grow, validation stays; one torch thread."""
    sizes = {}
    for stride in STRIDES:
        config = config_of(store, "concat")
        config = replace(config, data=replace(config.data, train_stride=stride))
        sizes[len(build_training(config).train)] = config
    curves = tuple(
        measured(
            fusion,
            tuple(sizes),
            lambda size, fusion=fusion: epoch_of(
                replace(sizes[size], model=replace(sizes[size].model, fusion=fusion))
            ),
        )
        for fusion in ("concat", "attention")
    )
    return Panel(title="One epoch", over="training frames", curves=curves)


def sensors_panel(store: Path, stride: int = 4) -> Panel:
    """An epoch with the first 1 to 4 sensors, and of each sensor alone (in the notes)."""
    config = config_of(store, "concat")
    config = replace(config, data=replace(config.data, train_stride=stride))

    def of(names: tuple[str, ...]) -> Callable[[], float]:
        data = replace(config.data, batch=replace(config.data.batch, modalities=names))
        return epoch_of(replace(config, data=data, model=replace(config.model, modalities=names)))

    together = measured("together", (1, 2, 3, 4), lambda count: of(DEFAULT_SENSORS[:count]))
    alone = measured("that sensor alone", (1, 2, 3, 4), lambda place: of((DEFAULT_SENSORS[place - 1],)))
    letters = [SENSORS[name].letter for name in DEFAULT_SENSORS]
    named = tuple("".join(letters[: n + 1]) for n in range(4))
    curves = (replace(together, notes=named), replace(alone, notes=tuple(letters)))
    return Panel(title="One epoch", over="sensors", curves=curves, linear=False)


def workers_panel(store: Path, workers: tuple[int, ...] = (1, 2)) -> Panel:
    """Ray Train workers on this machine, wall time: an epoch, and all that surrounds the epochs of a run."""
    config = replace(config_of(store, "concat"), epochs=EPOCHS)
    epochs, around = [], []
    with tempfile.TemporaryDirectory() as folder, ray_session():
        for count in workers:
            resources = Resources(workers=count)
            seconds, whole = timed_run(config, f"workers-{count}", folder, resources)
            epochs.append(seconds)
            around.append(whole - EPOCHS * seconds)
    curves = (
        Curve(name="epoch", x=workers, seconds=tuple(epochs)),
        Curve(name="start and end of a run", x=workers, seconds=tuple(around)),
    )
    return Panel(title="One run on Ray Train", over="workers", curves=curves, linear=False)


def timed_run(config: TrainConfig, name: str, folder: str, resources: Resources) -> tuple[float, float]:
    """(median wall seconds of an epoch, wall seconds of the run)."""
    start = time.perf_counter()
    result = run_training(config, name=name, storage=folder, resources=resources)
    whole = time.perf_counter() - start
    found = result.metrics_dataframe
    assert found is not None
    return statistics.median((found["time/train_s"] + found["time/validation_s"]).tolist()), whole
