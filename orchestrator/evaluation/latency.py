"""How long a trained model takes with each subset of its sensors, measured on this machine."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from equipose.balancing.evaluation_mode import evaluating
from equipose.models.base import SensorModel
from equipose.models.batch import Batch, rows_of
from equipose.orchestrator.checkpoints.trained_model import TrainedModel
from equipose.pipelines.store import Store

SIZES: tuple[int, ...] = (1, 64)
"""Batch sizes: one frame as a robot sees it, and many as an archive is worked through."""
ROUNDS = 15
SECONDS = 60.0
"""After so long a batch size gets no further rounds, once it has `FEWEST`."""
FEWEST = 3


@dataclass(frozen=True, kw_only=True)
class Latencies:
    """Median times of whole batches, of encoders and fusion without loading the frames."""

    milliseconds: Mapping[int, Mapping[str, float]]
    """Batch size -> subset -> ms."""
    rounds: int
    """Repetitions that the medians are over, at least."""
    machine: str

    @property
    def text(self) -> str:
        """One sentence that says what was measured, and where."""
        return (
            f"Latency: median of {self.rounds} or more passes of encoders and fusion in turn, "
            f"without loading frames, on {self.machine}."
        )


def measure_latencies(
    trained: TrainedModel,
    store: Store,
    row: int,
    subsets: Mapping[str, Sequence[str]],
    *,
    sizes: Sequence[int] = SIZES,
    rounds: int | None = None,
    device: torch.device | str = "cpu",
) -> Latencies:
    """Time a pass with each subset, all in turn in every round, so that a busy moment hits all alike.

    row: of the store, the frame that fills the batches; times do not depend on what it shows. subsets: name
    -> sensors; encoders of other sensors are not run, as where the sensor is not bought at all. rounds: None
    is `ROUNDS`.
    """
    model = trained.model.to(device)
    batch = next(trained.batches(np.array([row]), store).in_order())
    like = next(model.parameters())
    batch = batch.to(like.device, like.dtype)
    found: dict[int, dict[str, float]] = {}
    fewest = rounds = rounds or ROUNDS
    with torch.no_grad(), evaluating(model):
        for size in sizes:
            many = rows_of(batch, torch.zeros(size, dtype=torch.int64, device=like.device))
            times = _times(model, {name: held(many, sensors) for name, sensors in subsets.items()}, rounds)
            found[size] = {name: 1000 * float(np.median(each)) for name, each in times.items()}
            fewest = min(fewest, *(len(each) for each in times.values()))
    return Latencies(milliseconds=found, rounds=fewest, machine=machine_name(like.device))


def held(batch: Batch, sensors: Sequence[str]) -> Batch:
    """The batch with some of its sensors only."""
    columns = list(batch.inputs)
    chosen = [name for name in columns if name in sensors]
    return replace(
        batch,
        inputs={name: batch.inputs[name] for name in chosen},
        masks={name: mask for name, mask in batch.masks.items() if name in chosen},
        present=batch.present[:, [columns.index(name) for name in chosen]],
    )


def _times(model: SensorModel, batches: Mapping[str, Batch], rounds: int) -> dict[str, list[float]]:
    """Seconds of every round, after one that is not counted."""
    times: dict[str, list[float]] = {name: [] for name in batches}
    began = time.perf_counter()
    for done in range(rounds + 1):
        if done > FEWEST and time.perf_counter() - began > SECONDS:
            break
        for name, batch in batches.items():
            seconds = _seconds(model, batch)
            if done:
                times[name].append(seconds)
    return times


def _seconds(model: SensorModel, batch: Batch) -> float:
    on_gpu = batch.pose.is_cuda
    if on_gpu:
        torch.cuda.synchronize()
    began = time.perf_counter()
    model.fuse(*model.encode_held(batch))
    if on_gpu:
        torch.cuda.synchronize()
    return time.perf_counter() - began


def machine_name(device: torch.device) -> str:
    """This machine in words: processor, cores, threads, load, and the accelerator where one is used."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    words = f"{_processor()}, {cores} {'core' if cores == 1 else 'cores'}, {torch.get_num_threads()} threads"
    if device.type == "cuda":
        words = f"{torch.cuda.get_device_name(device)}, {words}"
    return f"{words}, load average {os.getloadavg()[0]:.1f}, torch {torch.__version__}"


def _processor(info: Path = Path("/proc/cpuinfo")) -> str:
    try:
        lines = info.read_text().splitlines()
    except OSError:
        lines = []
    named = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return named or platform.processor() or platform.machine()
