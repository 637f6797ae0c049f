"""Frames per second of rendered pictures and depth images, on one core.

The bound is that of the pictures: 150 frames per second at 192x256, from the pose to the finished crop.
Triplets are measured as a store takes them: motion, pictures, detections, and compression as JPEG.
"""

from __future__ import annotations

import time

from benchmarks.timing import compare
from equipose.models.sensors.triplets import TRIPLET_NAMES
from equipose.pipelines.cleaning import assemble
from equipose.pipelines.simulator import SimulatorConfig, observe, simulate_motion
from equipose.pipelines.simulator.people.body import body
from equipose.pipelines.simulator.render.pictures import PictureConfig, take_pictures
from equipose.pipelines.simulator.render.viewpoints import crop
from equipose.pipelines.simulator.render.zbuffer import render
from equipose.pipelines.simulator.triplets import TRIPLET_SETS, record_triplets

BOUND = 150.0
"""Pictures per second."""


def main(rounds: int = 7, frames: int = 60) -> str:
    """Frames per second of CPU time, medians over interleaved rounds, of `frames` frames of one recording."""
    config = SimulatorConfig(frames=frames)
    pose = simulate_motion("S01", "A20", config)
    taken = PictureConfig()
    made = take_pictures(pose, 1.0, subject="S01", key="A20", seed=0, config=taken)
    views = [crop(made.camera, box, taken.size) for box in made.boxes]

    def depth() -> object:
        return observe(
            pose, environment="E01", subject="S01", key="A20", config=config, modalities=("depth",)
        )

    candidates = {
        "surface alone, 192x256": lambda: list(render(body(pose, 1.0), views)),
        **{
            f"pictures, 192x256, {kind}": lambda kind=kind: take_pictures(
                pose, 1.0, subject="S01", key="A20", seed=0, config=PictureConfig(backgrounds=(kind,))
            )
            for kind in taken.backgrounds
        },
        **{
            f"triplets as stored, {name}": lambda found=found: assemble(
                record_triplets(found, found.subjects[0], found.actions[1], found.cameras[0], config),
                TRIPLET_NAMES,
            )
            for name, found in TRIPLET_SETS.items()
        },
        "depth images, 640x480": depth,
    }
    lines = [
        f"### Renderer, one core, {frames} frames (bound for pictures: {BOUND:.0f} frames/s)",
        "",
        "| what | frames/s | slowest | fastest | ms per frame |",
        "|---|---|---|---|---|",
    ]
    for measured in compare(candidates, rounds=rounds, clock=time.process_time):
        rate, slow, fast = (
            frames / s for s in (measured.median, max(measured.seconds), min(measured.seconds))
        )
        lines.append(f"| {measured.name} | {rate:.0f} | {slow:.0f} | {fast:.0f} | {1e3 / rate:.2f} |")
    return "\n".join(lines)
