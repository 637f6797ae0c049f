"""Readers of raw data: one per source, all with the same contract (`contract`).

MM-Fi: `mmfi`, with `mmfi_tree` for its folders, `mmfi_formats` for what a whole sequence gives away, and
`frame_files`, `mat5` and `mat73` for its files. MARS: `mars`, with `mars_files`, `kinect` (joints
and axes) and `movements` (where one ends). `simulated` needs no files. `triplets`: image, 2D and 3D.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from equipose.models.plugins import OpenRegistry
from equipose.pipelines.readers.contract import Ordered, Reader, Traceable, name_of
from equipose.pipelines.readers.mars import MarsReader
from equipose.pipelines.readers.mmfi import MmfiReader
from equipose.pipelines.readers.simulated import SimulatedReader, SimulatedSource
from equipose.pipelines.readers.triplets.h36m import H36mReader
from equipose.pipelines.readers.triplets.outdoor.mpi_inf_3dhp import Mpi3dhpReader
from equipose.pipelines.readers.triplets.outdoor.three_dpw import ThreeDpwReader
from equipose.pipelines.readers.triplets.simulated import (
    IndoorTriplets,
    MovingTriplets,
    OutdoorTriplets,
    TripletSource,
)

READERS: Mapping[str, Reader] = OpenRegistry(
    "equipose.readers",
    Reader,
    {
        "simulated": SimulatedReader(),
        "mars": MarsReader(),
        "mmfi": MmfiReader(),
        "h36m": H36mReader(),
        "mpi_inf_3dhp": Mpi3dhpReader(),
        "three_dpw": ThreeDpwReader(),
        "simulated_indoor": IndoorTriplets(),
        "simulated_outdoor": OutdoorTriplets(),
        "simulated_moving": MovingTriplets(),
    },
)
"""Source name -> its reader with default settings; those of the entry points `equipose.readers` come last."""


def reader_of(source: str) -> Reader:
    """The reader of a source; ValueError names the known ones."""
    if source not in READERS:
        raise ValueError(f"source is {source!r}; use one of {list(READERS)}")
    return READERS[source]


def configured(source: str, *, sensors: tuple[str, ...] = (), **settings: Any) -> Reader:
    """The reader of a source with other settings; ValueError for a setting that it does not have.

    `sensors`: what it shall read. A setting that is None, empty or False is left as it is.
    """
    reader = reader_of(source)
    given = {name: value for name, value in {"wanted": sensors, **settings}.items() if value}
    known = {f.name for f in fields(reader)} if is_dataclass(reader) else set[str]()
    if unknown := sorted(set(given) - known):
        option = "sensors" if unknown[0] == "wanted" else unknown[0].replace("_", "-")
        raise ValueError(f"--{option} is not an option of {source}; leave it out")
    return replace(reader, **given) if given else reader  # type: ignore[type-var]


__all__ = [
    "READERS",
    "MarsReader",
    "MmfiReader",
    "Ordered",
    "Reader",
    "SimulatedReader",
    "SimulatedSource",
    "Traceable",
    "TripletSource",
    "configured",
    "name_of",
    "reader_of",
]
