"""Data in, results out: readers, simulator, store, protocols, batches, and tables from runs."""

from __future__ import annotations

from pipelines.errors import DataError
from pipelines.protocols import select, splits
from pipelines.store import Store, open_store

__all__ = ["DataError", "Store", "open_store", "select", "splits"]
