"""From `--data` and `--data-root` to a prepared store, made once and used again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from experiments.presets import SimulatedSelection
from pipelines.prepare import prepare
from pipelines.readers.simulated import SimulatedSource
from pipelines.simulator import SIMULATOR_VERSION, SimulatorConfig

DataName = Literal["simulated", "mars", "mmfi"]

PROTOCOLS: dict[str, tuple[str, str]] = {
    "simulated": ("P1", "S1"),
    "mmfi": ("P1", "S1"),
    "mars": ("MARS", "time"),
}
"""Protocol and split of each data source unless the command line says otherwise."""


def ensure_store(
    data: DataName,
    root: Path | None,
    out: Path,
    simulated: SimulatedSelection,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Path of the store for a data source, prepared now if it is not there yet.

    Raises ValueError when real data is asked for without its folder.
    """
    if data == "simulated":
        source = SimulatedSource(
            subjects=simulated.subjects,
            actions=simulated.actions,
            config=SimulatorConfig(frames=simulated.frames),
        )
        content = [SIMULATOR_VERSION, simulated.subjects, simulated.actions, simulated.frames]
        name = f"simulated-{_digest(content)}"
        prepare("simulated", source, out / "stores" / name, progress=progress)
    else:
        if root is None:
            raise ValueError(f"--data {data} needs --data-root, the folder of the raw files")
        name = f"{data}-{_digest([str(root.resolve())])}"
        prepare(data, root, out / "stores" / name, progress=progress)
    return out / "stores" / name


def _digest(parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:10]
