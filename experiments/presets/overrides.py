"""Settings as typed on the command line: `optimizer.lr=1e-4 model.norm=layer method.alpha_s=2e4`."""

from __future__ import annotations

import contextlib
import typing
from collections.abc import Iterable, Iterator
from dataclasses import is_dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from equipose.balancing.registry import METHODS
from equipose.orchestrator.training.config import TrainConfig, from_json, to_json

WORDS = {"none": None, "true": True, "false": False}


def with_overrides(config: TrainConfig, overrides: Iterable[str]) -> TrainConfig:
    """The config with dotted fields set from text; `method=<name>` first replaces the method.

    The config is validated once, after all overrides, so fields that must agree can change together.
    Raises ValueError that names an unknown field or method, or a value of the wrong type.
    """
    pairs = [_split(text) for text in overrides]
    plain = to_json(config)
    for path, text in pairs:
        if path == "method":
            if text not in METHODS:
                raise ValueError(f"unknown method {text!r}; known: {sorted(METHODS)}")
            plain["method"] = {"name": text}
    for path, text in pairs:
        if path != "method":
            _set(plain, path, text)
    return from_json(plain)


def _split(text: str) -> tuple[str, str]:
    path, equals, value = text.partition("=")
    if not (path and equals):
        raise ValueError(f"override {text!r} must read field=value, such as optimizer.lr=1e-4")
    return path, value


def _set(plain: dict[str, Any], path: str, text: str) -> None:
    """Set one dotted field of a config in its JSON form."""
    cls: Any = TrainConfig
    here = plain
    *parents, name = path.split(".")
    for parent in parents:
        method = cls is TrainConfig and parent == "method"
        cls = METHODS[plain["method"]["name"]].Config if method else _kind(cls, parent, path)
        if not is_dataclass(cls):
            raise ValueError(f"{path}: {parent} is a single value and has no fields")
        here = here[parent]
    kind = _kind(cls, name, path)
    if is_dataclass(kind):
        raise ValueError(f"{path} is a group of settings; set one of {sorted(typing.get_type_hints(kind))}")
    here[name] = parse(path, text, kind)


def _kind(cls: Any, name: str, path: str) -> Any:
    """The type of a config's field."""
    kinds = {key: kind for key, kind in typing.get_type_hints(cls).items() if not key.startswith("_")}
    if name not in kinds:
        raise ValueError(f"{path}: no setting {name!r}; there are {sorted(kinds)}")
    return kinds[name]


def parse(path: str, text: str, kind: Any) -> Any:
    """`text` as a value of a field's type. Strict: `1` is not a bool, `3.0` is not an int."""
    adapter = TypeAdapter(kind)
    for value in _readings(text):
        with contextlib.suppress(ValidationError):
            return adapter.validate_python(value, strict=True)
    wanted = kind.__name__ if isinstance(kind, type) else str(kind).replace("typing.", "")
    raise ValueError(f"{path} is {text!r}; give a value of {wanted}")


def _readings(text: str) -> Iterator[Any]:
    """The values that a text can stand for: a string, a word, a number, a list."""
    yield text
    if text.lower() in WORDS:
        yield WORDS[text.lower()]
    for number in (int, float):
        with contextlib.suppress(ValueError):
            yield number(text)
    yield tuple(text.split(","))
