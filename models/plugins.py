"""Registries that installed packages can add to through Python entry points."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib.metadata import entry_points
from typing import Any, TypeVar

T = TypeVar("T")


class OpenRegistry(Mapping[str, T]):
    """An explicit dict, followed by what installed packages declare in an entry-point group.

    An entry point's name is its key. Packages are looked for on the first access.
    """

    def __init__(self, group: str, kind: type[Any], built_in: Mapping[str, T]) -> None:
        """kind: class (or runtime-checkable protocol) of every entry."""
        self.group = group
        self._kind = kind
        self._built_in = dict(built_in)

    @cached_property
    def _all(self) -> dict[str, T]:
        added = {point.name: self._load(point) for point in sorted(entry_points(group=self.group))}
        return self._built_in | added

    def _load(self, point: Any) -> T:
        where = f"entry point {self.group}: {point.name} = {point.value}"
        if point.name in self._built_in:
            raise ValueError(f"{where}: {point.name!r} is taken by Equipose itself; use another name")
        try:
            found = point.load()
        except Exception as error:
            raise ValueError(f"{where} cannot be imported ({type(error).__name__}: {error})") from error
        if not isinstance(found, self._kind):
            raise ValueError(f"{where} is a {type(found).__name__}, expected a {self._kind.__name__}")
        if getattr(found, "name", point.name) != point.name:
            raise ValueError(f"{where} calls itself {found.name!r}; use the same name for both")
        return found

    def __getitem__(self, name: str) -> T:
        # What is built in needs no look at the installed packages.
        return self._built_in[name] if name in self._built_in else self._all[name]

    def __contains__(self, name: object) -> bool:
        return name in self._built_in or name in self._all

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)
