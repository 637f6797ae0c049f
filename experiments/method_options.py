"""A method's settings as people type them: `awc` with `alpha_s 20000 window 4`."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import Any

from balancing.method import MethodConfig
from balancing.registry import method_class


def method_config(method: str, options: Mapping[str, str]) -> MethodConfig:
    """The config of a registered method with some fields set from text.

    Raises ValueError that names an unknown method or field, or a value of the wrong type.
    """
    config = method_class(method).Config
    types = typing.get_type_hints(config)
    unknown = sorted(set(options) - set(types))
    if unknown:
        raise ValueError(f"method {method!r} has no option {unknown}; it has {sorted(types)}")
    return config(**{name: _parse(f"{method}.{name}", text, types[name]) for name, text in options.items()})


def _parse(name: str, text: str, kind: Any) -> Any:
    """`text` as one of the kinds that a field allows: int, float, bool, None or one of some words."""
    kinds = typing.get_args(kind) if typing.get_origin(kind) not in (None, typing.Literal) else (kind,)
    for one in kinds:
        if typing.get_origin(one) is typing.Literal:
            if text in typing.get_args(one):
                return text
        elif one is type(None) or one is bool:
            words = {"none": None} if one is type(None) else {"true": True, "false": False}
            if text.lower() in words:
                return words[text.lower()]
        elif one in (int, float, str):
            try:
                return one(text)
            except ValueError:
                continue
    wanted = kind if typing.get_args(kind) else kind.__name__
    raise ValueError(f"{name} is {text!r}; give a value of {wanted}")
