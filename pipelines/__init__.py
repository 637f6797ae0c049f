"""Data in, results out: readers, simulator, store, protocols, batches, and tables from runs."""

from __future__ import annotations

from equipose.pipelines.files.errors import DataError
from equipose.pipelines.protocols import select, splits
from equipose.pipelines.store import Store, open_store

__all__ = ["DataError", "Store", "open_store", "select", "splits"]
