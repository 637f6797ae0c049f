"""From `--data` and `--data-root` to a prepared store, made once and then reused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from equipose.experiments.presets.names import DataName
from equipose.experiments.presets.sizes import SimulatedSelection
from equipose.pipelines.files.locks import locked
from equipose.pipelines.prepare import prepare
from equipose.pipelines.readers.simulated import SimulatedSource
from equipose.pipelines.simulator import SIMULATOR_VERSION, SimulatorConfig

PROTOCOLS: dict[str, tuple[str, str]] = {
    "simulated": ("P1", "S1"),
    "mmfi": ("P1", "S1"),
    "mars": ("MARS", "time"),
}
"""Default protocol and split of each data source."""


def check_root(data: DataName, root: Path | None) -> None:
    """Raise ValueError when real data is asked for without its folder, or simulated data with one."""
    if data == "simulated" and root is not None:
        raise ValueError(
            f"--data simulated reads no files, but --data-root is {root}; add --data mmfi or --data mars"
        )
    if data != "simulated" and (root is None or not root.is_dir()):
        found = "missing" if root is None else f"{root}, which is not a folder"
        raise ValueError(f"--data {data} needs --data-root, the folder of the raw files; it is {found}")


def ensure_store(
    data: DataName,
    root: Path | None,
    out: Path,
    simulated: SimulatedSelection,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Path of the store for a data source, prepared now if it does not exist yet."""
    path = store_path(data, root, out, simulated)
    if data == "simulated":
        source = SimulatedSource(
            subjects=simulated.subjects,
            actions=simulated.actions,
            config=SimulatorConfig(frames=simulated.frames),
        )
        return prepared_store("simulated", source, path, progress)
    return prepared_store(data, root, path, progress)


def store_path(data: DataName, root: Path | None, out: Path, simulated: SimulatedSelection) -> Path:
    """Where the store for a data source is or will be."""
    check_root(data, root)
    content: list[Any] = [SIMULATOR_VERSION, simulated.subjects, simulated.actions, simulated.frames]
    if root is not None:
        content = [str(root.resolve())]
    return out / "stores" / f"{data}-{_digest(content)}"


def prepared_store(source: str, root: Any, path: Path, progress: Callable[[int, int], None] | None) -> Path:
    """Path of a store, prepared now if it does not exist yet.

    Of two jobs that need it at the same time, the second waits and finds it ready.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path.parent / f".{path.name}.lock"):
        prepare(source, root, path, progress=progress)
    return path


def _digest(parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:10]
