"""How cost grows with data, modalities, workers and trials: the curves of `docs/scaling.md`.

`python -m benchmarks scaling` prints the tables; with `SCALING_FIGURE=<file>.png` it draws them as well.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.balancing.shapley import simulated_store
from benchmarks.scaling import contributions, epochs, sweeps
from benchmarks.scaling.curves import figure, markdown
from benchmarks.timing import one_thread
from equipose.experiments.presets.sizes import PRESETS
from equipose.pipelines.figures.style import save_png

FRAMES = 40
"""Per sequence; with 64 sequences 2,560 in all."""


def main() -> str:
    """All tables as Markdown."""
    with tempfile.TemporaryDirectory() as folder:
        store = simulated_store(Path(folder) / "store", FRAMES)
        with one_thread():
            panels = [
                contributions.frames_panel(),
                contributions.modalities_panel(),
                epochs.frames_panel(store),
                epochs.sensors_panel(store),
            ]
            sampling = contributions.sampling_table()
        panels.append(contributions.pool_panel(store))
        panels.append(epochs.workers_panel(store))
        smoke = PRESETS["smoke"].train_config(str(store), "P1", "S1", 0)
        small = replace(smoke, data=replace(smoke.data, train_stride=8))
        panels.append(sweeps.trials_panel(small))
    if path := os.environ.get("SCALING_FIGURE"):
        save_png(figure(panels, "simulated data"), Path(path))
    head = "## Scaling\n\nSimulated data; CPU time on one torch thread unless said otherwise."
    return "\n\n".join([head, *map(markdown, panels), sampling])
