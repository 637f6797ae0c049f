"""Readers of raw data: one per source, all with the same contract (`contract`).

MM-Fi: `mmfi`, with `mmfi_tree` for its folders, `mmfi_formats` for what a whole sequence gives away, and
`frame_files`, `mat5` and `mat73` for its files. MARS: `mars`, with `mars_files`, `kinect` (joints
and axes) and `movements` (where one ends). `simulated` needs no files.
"""

from __future__ import annotations

from equipose.pipelines.readers.contract import Ordered, Reader, Traceable, name_of
from equipose.pipelines.readers.mars import MarsReader
from equipose.pipelines.readers.mmfi import MmfiReader
from equipose.pipelines.readers.simulated import SimulatedReader, SimulatedSource

READERS: dict[str, Reader] = {
    "mmfi": MmfiReader(),
    "mars": MarsReader(),
    "simulated": SimulatedReader(),
}
"""Source name -> its reader with default settings."""


def reader_of(source: str) -> Reader:
    """The reader of a source; ValueError names the known ones."""
    if source not in READERS:
        raise ValueError(f"source is {source!r}; use one of {sorted(READERS)}")
    return READERS[source]


__all__ = [
    "READERS",
    "MarsReader",
    "MmfiReader",
    "Ordered",
    "Reader",
    "SimulatedReader",
    "SimulatedSource",
    "Traceable",
    "name_of",
    "reader_of",
]
