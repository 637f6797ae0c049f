"""Settings as people type them: `optimizer.lr=1e-4 model.norm=layer method.alpha_s=2e4`."""

from __future__ import annotations

import typing
from collections.abc import Iterable
from dataclasses import is_dataclass
from typing import Any

from equipose.balancing.registry import METHODS
from equipose.orchestrator.training.config import TrainConfig, from_json, to_json


def with_overrides(config: TrainConfig, overrides: Iterable[str]) -> TrainConfig:
    """The config with dotted fields set from text; `method=<name>` puts another method there first.

    All are applied before the config is validated again, so fields that must agree can change together.
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
        cls = (
            METHODS[plain["method"]["name"]].Config
            if parent == "method"
            else _hints(cls, parent, path)[parent]
        )
        if not is_dataclass(cls):
            raise ValueError(f"{path}: {parent} is a single value and has no fields")
        here = here[parent]
    kind = _hints(cls, name, path)[name]
    if is_dataclass(kind):
        raise ValueError(f"{path} is a group of settings; set one of {sorted(typing.get_type_hints(kind))}")
    here[name] = parse(path, text, kind)


def _hints(cls: Any, name: str, path: str) -> dict[str, Any]:
    hints = {key: kind for key, kind in typing.get_type_hints(cls).items() if not key.startswith("_")}
    if name not in hints:
        raise ValueError(f"{path}: no setting {name!r}; there are {sorted(hints)}")
    return hints


def parse(path: str, text: str, kind: Any) -> Any:
    """`text` as one of the kinds that a field allows: int, float, bool, None, words, or a list of words."""
    alternatives = typing.get_args(kind) if _is_union(kind) else (kind,)
    for one in alternatives:
        if typing.get_origin(one) is typing.Literal:
            if text in map(str, typing.get_args(one)):
                return next(value for value in typing.get_args(one) if str(value) == text)
        elif typing.get_origin(one) is tuple:
            return text.split(",")
        elif one is type(None) or one is bool:
            words = {"none": None} if one is type(None) else {"true": True, "false": False}
            if text.lower() in words:
                return words[text.lower()]
        else:
            try:
                return one(text)
            except ValueError:
                continue
    wanted = getattr(kind, "__name__", str(kind)) if not typing.get_args(kind) else str(kind)
    raise ValueError(f"{path} is {text!r}; give a value of {wanted.replace('typing.', '')}")


def _is_union(kind: Any) -> bool:
    return bool(typing.get_args(kind)) and typing.get_origin(kind) not in (typing.Literal, tuple)
