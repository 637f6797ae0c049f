"""The Arrow store: prepared once, memory-mapped by every process that trains, scores or plots.

A finished store is a folder of four files: `manifest.json` (format version, header, provenance,
checksums, fingerprint), a Parquet `index` of one row per frame that Polars filters into protocols and
splits, the `defects`, and one Arrow `frames` table. This module gathers its public names.
"""

from __future__ import annotations

from equipose.pipelines.sequence import SequenceKey
from equipose.pipelines.store.format import FORMAT_VERSION, StoreHeader
from equipose.pipelines.store.layout import FrameLayout
from equipose.pipelines.store.reader import Store, open_store
from equipose.pipelines.store.writer import StoreWriter

__all__ = [
    "FORMAT_VERSION",
    "FrameLayout",
    "SequenceKey",
    "Store",
    "StoreHeader",
    "StoreWriter",
    "open_store",
]
