"""Cost of simulating a recording, sensor by sensor."""

from __future__ import annotations

from benchmarks.timing import compare
from equipose.models.sensors import DEFAULT_SENSORS
from equipose.pipelines.simulator import SimulatorConfig, observe, simulate_motion


def main() -> str:
    """Milliseconds per frame of motion and of every sensor, over one recording of 297 frames."""
    config = SimulatorConfig()
    pose = simulate_motion("S01", "A12", config)

    def look(*modalities: str) -> object:
        return observe(
            pose, environment="E01", subject="S01", key="A12", config=config, modalities=modalities
        )

    candidates = {
        "motion": lambda: simulate_motion("S01", "A12", config),
        **{name: lambda name=name: look(name) for name in DEFAULT_SENSORS},
        "all sensors": lambda: look(*DEFAULT_SENSORS),
    }
    lines = ["### Simulator", "", "| part | ms per frame |", "|---|---|"]
    for measured in compare(candidates, rounds=3):
        lines.append(f"| {measured.name} | {1e3 * measured.median / config.frames:.3f} |")
    return "\n".join(lines)
