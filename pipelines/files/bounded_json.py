"""Parses JSON from untrusted files: strictly, and bounded in depth."""

from __future__ import annotations

import json
from typing import Any

MAX_DEPTH = 40
"""Deepest nesting that is accepted; this project's own files stay below 10. Python overflows its stack at
some hundred levels, not always where that can be caught."""


def parse_json(content: str | bytes, *, nan: bool = False) -> Any:
    """The value of a JSON text; ValueError for anything else, and for one that nests too deeply.

    nan: accept NaN and infinities, which Python writes and JSON does not know.
    """
    try:
        value = json.loads(content, parse_constant=float if nan else _refuse)
    except RecursionError:
        raise ValueError(f"nests more than {MAX_DEPTH} levels") from None
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for item in level for child in _children(item)]
        if not level:
            return value
    raise ValueError(f"nests more than {MAX_DEPTH} levels")


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _refuse(name: str) -> Any:
    raise ValueError(f"holds {name}, which is not JSON")
