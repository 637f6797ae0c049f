"""What a data source must offer so that `prepare` can turn it into a store."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, runtime_checkable

from equipose.pipelines.column_order import ColumnOrder
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.sequence import RawSequence, SequenceKey

_PATTERNS = {
    "environment": r"E\d\d",
    "subject": r"S\d\d",
    "action": r"A\d\d",
    "part": r"[a-z]*",
    "camera": r"[A-Za-z0-9]{0,16}",
}


@runtime_checkable
class Reader(Protocol):
    """Lists the sequences under a root and reads them one by one, each independent of the others.

    `default_split` is the protocol and the split of this data unless a run says otherwise. Bad frames come
    back as `Defect` entries; only a root that cannot be used at all raises `DataError`. Readers are small,
    picklable and keep no open files, because sequences are read in several processes.
    """

    default_split: ClassVar[tuple[str, str]]

    def sequences(self, root: Any) -> list[SequenceKey]:
        """Keys of everything under the root, sorted; raises `DataError` where there is nothing to read."""
        ...

    def read(self, root: Any, key: SequenceKey) -> RawSequence:
        """One sequence as the source has it; equal calls give equal arrays."""
        ...

    def notes(self, root: Any) -> tuple[str, ...]:
        """Remarks for the user on how this root was read, such as a rule that fell back to another."""
        ...

    def sensors(self, root: Any) -> tuple[str, ...]:
        """Sensors that a store of this root holds."""
        ...

    def settings(self, root: Any) -> dict[str, Any]:
        """Choices that shape the data, as JSON values; a store can only be resumed with equal settings."""
        ...


@runtime_checkable
class Traceable(Protocol):
    """A reader of files, whose stores follow them: what changes is read again, what vanishes is dropped."""

    def state(self, root: Any, key: SequenceKey) -> str:
        """Lower-case letters and digits that change when anything that a sequence is read from does."""
        ...


@runtime_checkable
class Ordered(Protocol):
    """A reader whose options `axes` and `columns` set the order of the columns of its points."""

    @property
    def orders(self) -> Mapping[str, ColumnOrder]:
        """Sensor of points -> the order of its files."""
        ...


def check_key(key: SequenceKey) -> SequenceKey:
    """The key, if it is safe to build a path from: a letter and two digits per level."""
    for name, pattern in _PATTERNS.items():
        value = getattr(key, name)
        if not isinstance(value, str) or not re.fullmatch(pattern, value, re.ASCII):
            remedy = f"it must match {pattern}, as in E01/S01/A01"
            raise DataError.about("sequence key", field=name, value=repr(value), remedy=remedy)
    return key


def name_of(key: SequenceKey) -> str:
    """The key as text, such as `E01/S01/A01`."""
    return "/".join(filter(None, key))
