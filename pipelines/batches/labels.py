"""Who does what where, as numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from equipose.pipelines.files.errors import DataError
from equipose.pipelines.store.reader import Store

LABELS: tuple[str, ...] = ("environment", "subject", "action")


def codes(store: Store, name: str) -> NDArray[np.int64]:
    """[R] int64 codes of `environment`, `subject` or `action`: 7 for S07."""
    digits = store.index[name].str.extract(r"^[A-Z](\d+)$").cast(int)
    if digits.null_count():
        found = store.index[name].filter(digits.is_null())[0]
        raise DataError.about(
            store.path,
            field=name,
            value=repr(found),
            remedy="name it with a letter and digits, as in E01, S01, A01",
        )
    return digits.to_numpy()
