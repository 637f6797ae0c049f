"""The Arrow store: prepared once, memory-mapped by every process that trains, evaluates or plots.

A finished store is a folder: `manifest.json` (format version, header, provenance, checksums, fingerprint),
a Parquet `index` of one row per frame that Polars filters into protocols and splits, the `defects`, one
Arrow table of `frames`, and the `header.json` that was written first.

Here: `writer` and `reader` (the two classes to use), `parts` (sequences that are not joined yet), `signals`
(which sensors, and their columns), `format` (conversion, hashes), `index` (the tables beside the frames),
`truth` (what contamination changed, in a file that training never reads), `layout` (where each frame's
numbers lie), `folder` (local or remote files), `checks` and `arrow_guard` (nothing in a store is trusted).
"""

from __future__ import annotations

from equipose.pipelines.sequence import SequenceKey
from equipose.pipelines.store.format import FORMAT_VERSION, StoreHeader
from equipose.pipelines.store.layout import FrameLayout
from equipose.pipelines.store.reader import Store, open_store
from equipose.pipelines.store.truth import read_contamination
from equipose.pipelines.store.writer import StoreWriter

__all__ = [
    "FORMAT_VERSION",
    "FrameLayout",
    "SequenceKey",
    "Store",
    "StoreHeader",
    "StoreWriter",
    "open_store",
    "read_contamination",
]
