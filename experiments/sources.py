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


def check_root(data: DataName, root: Path | None) -> None:
    """Raise ValueError when real data is asked for without its folder, or simulated data with one."""
    if data == "simulated" and root is not None:
        raise ValueError(
            f"--data simulated reads no files, but --data-root is {root}; say --data mmfi or mars"
        )
    if data != "simulated" and (root is None or not root.is_dir()):
        found = "missing" if root is None else f"{root}, which is no folder"
        raise ValueError(f"--data {data} needs --data-root, the folder of the raw files; it is {found}")


def ensure_store(
    data: DataName,
    root: Path | None,
    out: Path,
    simulated: SimulatedSelection,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Path of the store for a data source, prepared now if it is not there yet."""
    check_root(data, root)
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
        assert root is not None
        name = f"{data}-{_digest([str(root.resolve())])}"
        prepare(data, root, out / "stores" / name, progress=progress)
    return out / "stores" / name


def _digest(parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:10]
