"""Registries that installed packages add to."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import pytest

from equipose.models import plugins
from equipose.models.plugins import OpenRegistry


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Call it with name -> object reference, to pretend that a package declares them."""

    def declare(points: Mapping[str, str]) -> None:
        found = EntryPoints(EntryPoint(name, value, "test.things") for name, value in points.items())
        monkeypatch.setattr(plugins, "entry_points", lambda group: found)

    return declare


def test_packages_come_after_what_is_built_in(installed: Any) -> None:
    installed({"inf": "math:inf"})
    registry: OpenRegistry[float] = OpenRegistry("test.things", float, {"one": 1.0})
    assert list(registry) == ["one", "inf"]
    assert registry["inf"] == float("inf")
    assert "inf" in registry
    assert "two" not in registry
    assert len(registry) == 2


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ({"one": "math:inf"}, "'one' is taken by Equipose itself"),
        ({"bad": "math:nothing"}, r"test.things: bad = math:nothing cannot be imported \(AttributeError"),
        ({"bad": "no_such_module:x"}, r"cannot be imported \(ModuleNotFoundError"),
        ({"bad": "math:floor"}, "is a builtin_function_or_method, expected a float"),
    ],
)
def test_broken_packages_are_named(installed: Any, points: dict[str, str], message: str) -> None:
    installed(points)
    registry: OpenRegistry[float] = OpenRegistry("test.things", float, {"one": 1.0})
    assert registry["one"] == 1.0
    with pytest.raises(ValueError, match=message):
        list(registry)
