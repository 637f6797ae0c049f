"""The exception for bad input data."""

from __future__ import annotations

from pathlib import Path


class DataError(ValueError):
    """Bad input; the message names the file (or other source), the field, the value and the remedy."""

    @classmethod
    def about(cls, file: str | Path, *, field: str, value: object, remedy: str) -> DataError:
        """The error for one field of one source, worded the same way everywhere."""
        return cls(f"{file}: {field} is {value}; {remedy}")
