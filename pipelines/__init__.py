"""Data in, results out: from sensor files to batches, and from results to tables, figures and reports.

In: `readers` and `simulator` produce sequences, `cleaning` checks them, `store` keeps them (`prepare` does
all three), `protocols` selects rows, `batches` loads them. Out: `statistics`, `tables`, `figures`, `paper`
(published numbers) and `report`. `files` holds the safe file I/O that all of them use.
"""

from __future__ import annotations

from equipose.pipelines.files.errors import DataError
from equipose.pipelines.protocols import select, splits
from equipose.pipelines.store import Store, open_store

__all__ = ["DataError", "Store", "open_store", "select", "splits"]
