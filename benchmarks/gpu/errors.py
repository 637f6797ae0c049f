"""What fewer bits do to the error: short trainings on simulated data that differ in nothing else."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import torch

from equipose.models.build import ModelConfig
from equipose.models.compute.config import ComputeConfig
from equipose.models.sensors import point_views
from equipose.orchestrator.training.build import build_training
from equipose.orchestrator.training.config import DataConfig, OptimizerConfig, TrainConfig
from equipose.orchestrator.training.loop import fit
from equipose.pipelines.batches.source import BatchConfig
from equipose.pipelines.prepare import prepare
from equipose.pipelines.readers.simulated import SimulatedSource
from equipose.pipelines.simulator import SimulatorConfig

WAYS: dict[str, ComputeConfig] = {
    "float32": ComputeConfig(),
    "float32, recomputed": ComputeConfig(activation_checkpointing=True),
    "tf32": ComputeConfig(precision="tf32"),
    "bf16": ComputeConfig(precision="bf16"),
    "fp16": ComputeConfig(precision="fp16"),
}
SUBJECTS = ("S01", "S08", "S14", "S21", "S28", "S36", "S09", "S19", "S05", "S10")


def error_table(device: torch.device, seconds: float, *, toy: bool) -> str:
    """Validation MPJPE of every precision and seed, in about so many seconds; simulated data."""
    epochs, seeds = (1, (0,)) if toy else (10, (0, 1, 2))
    lines = [
        f"### Validation MPJPE after {epochs} epochs, mm, simulated data, seeds {list(seeds)}",
        "",
        "| precision | per seed | minus float32, per seed |",
        "|---|---|---|",
    ]
    found: dict[str, list[float]] = {name: [] for name in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        prepare("simulated", _source(toy), Path(folder) / "store")
        end = time.perf_counter() + seconds
        for seed in seeds:
            for name, compute in WAYS.items():
                if time.perf_counter() < end:
                    found[name] += _error(Path(folder) / "store", compute, seed, epochs, device)
    base = found["float32"]
    for name, errors in found.items():
        differences = [error - one for error, one in zip(errors, base, strict=False)]
        shown = " ".join(f"{error:.2f}" for error in errors) or "not measured here"
        lines.append(f"| {name} | {shown} | {' '.join(f'{d:+.2f}' for d in differences)} |")
    return "\n".join(lines)


def _source(toy: bool) -> SimulatedSource:
    actions = ("A03", "A13") if toy else ("A03", "A13", "A19", "A22")
    config = SimulatorConfig(frames=4 if toy else 32)
    return SimulatedSource(subjects=SUBJECTS, actions=actions, config=config)


def _error(store: Path, compute: ComputeConfig, seed: int, epochs: int, device: torch.device) -> list[float]:
    """The error of one run; none where the device cannot compute so."""
    batch = BatchConfig(batch_size=16, views=point_views(lidar=32, mmwave=16))
    config = TrainConfig(
        data=DataConfig(store=str(store), split="S2", batch=batch),
        model=ModelConfig(preset="tiny"),
        optimizer=OptimizerConfig(lr=1e-2),
        epochs=epochs,
        seed=seed,
        compute=compute,
    )
    try:
        compute.check_device(device)
    except ValueError:
        return []
    return [list(fit(build_training(config, device=device)))[-1].metrics["val/mpjpe_mm"]]
