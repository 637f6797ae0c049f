"""Settings as typed on the command line: `optimizer.lr=1e-4 model.norm=layer method.ratio_s=0.5`."""

from __future__ import annotations

import contextlib
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from equipose.balancing.objectives.model_kinds import model_class
from equipose.balancing.objectives.registry import objective_class
from equipose.balancing.registry import config_class, method_class
from equipose.balancing.schedules import fitted
from equipose.balancing.search_spaces import SEARCH
from equipose.models.build import ModelConfig
from equipose.models.sensors import sensor_of
from equipose.orchestrator.training.config import TrainConfig, from_json, to_json
from equipose.pipelines.batches.source import BatchConfig

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Config = TypeVar("Config", bound="DataclassInstance")

SENSOR_GROUPS: dict[Any, str] = {BatchConfig: "views", ModelConfig: "encoders"}
"""Config -> its field with one entry per sensor, which paths leave out: `data.batch.lidar.points`."""

CHOSEN: dict[str, Callable[[dict[str, Any]], Any]] = {
    "method": lambda plain: config_class(plain["method"]["name"]),
    "model": lambda plain: model_class(plain["model"]),
    "objective": lambda plain: objective_class(plain["objective"]["name"]).Config,
}
"""Groups of settings of which a config holds one of several classes -> which, from its JSON form."""

WORDS = {"none": None, "true": True, "false": False}


def with_overrides(config: TrainConfig, overrides: Iterable[str]) -> TrainConfig:
    """The config with dotted fields set from text; `method=<name>` first replaces the method.

    A new method's schedules are fitted to the run's epochs; schedules that are set stay as typed. The
    config is validated once, after all overrides, so fields that must agree can change together. Raises
    ValueError that names an unknown field or method, a value of the wrong type, or `epochs`, which schedules
    are fitted to.
    """
    pairs = [_split(text) for text in overrides]
    plain = to_json(config)
    for path, text in pairs:
        if path == "method":
            method = fitted(method_class(text).Config(), config.epochs)
            plain = to_json(replace(config, method=method))
        if path == "epochs":
            raise ValueError(f"override 'epochs={text}' would leave the schedules behind; use --epochs")
    for path, text in pairs:
        if path != "method":
            _set(plain, path, text)
    changed = from_json(plain)
    _check_effect(changed, [path for path, _ in pairs])
    return changed


def with_settings(config: Config, name: str, settings: Iterable[str]) -> Config:
    """A config, such as a method's, with fields set from text, such as `strength=1e3`.

    name: what it is called in messages. Raises ValueError for an unknown field or an unfit value.

    Examples:
        >>> from equipose.balancing.continual.memory.replay import Replay
        >>> with_settings(Replay.Config(), "replay", ["rows=400", "beta=0.5"])
        Replay.Config(window=None, rows=400, beta=0.5)
    """
    kinds = typing.get_type_hints(type(config))
    there = sorted(field.name for field in fields(config))
    changes: dict[str, Any] = {}
    for text in settings:
        field, value = _split(text)
        if field not in there:
            raise ValueError(f"{name}: no setting {field!r}; there are {there}")
        changes[field] = parse(f"{name}: {field}", value, kinds[field])
    return replace(config, **changes)


def _check_effect(config: TrainConfig, paths: Iterable[str]) -> None:
    """Raise ValueError for a setting of the method that another one makes useless."""
    kinds = {field.name: field.metadata.get(SEARCH) for field in fields(config.method)}
    for path in paths:
        scale = kinds.get(path.removeprefix("method."))
        if scale is None or scale.when is None:
            continue
        other, needed = scale.when
        found = getattr(config.method, other)
        if found != needed:
            raise ValueError(
                f"override {path} has no effect while method.{other} is {found!r}; "
                f"set method.{other}={needed} too"
            )


def _split(text: str) -> tuple[str, str]:
    path, equals, value = text.partition("=")
    if not (path and equals):
        raise ValueError(f"override {text!r} must read field=value, such as optimizer.lr=1e-4")
    return path, value


def _set(plain: dict[str, Any], path: str, text: str) -> None:
    """Set one dotted field of a config in its JSON form."""
    group = _Group(cls=TrainConfig, values=plain, plain=plain)
    *parents, name = path.split(".")
    for parent in parents:
        group = group.enter(parent, path)
    kind = group.kind(name, path)
    if is_dataclass(kind):
        raise ValueError(f"{path} is a group of settings; set one of {sorted(typing.get_type_hints(kind))}")
    group.values[name] = parse(path, text, kind)


@dataclass(frozen=True)
class _Group:
    """A config within the whole, while a dotted path is followed."""

    cls: Any
    values: dict[str, Any]
    plain: dict[str, Any]
    """The whole config, which says what the method and the sensors' encoders are."""
    entries: Any = None
    """Type of the values of a mapping with an entry per sensor, such as `method.rates.rgb`; else None."""

    def enter(self, name: str, path: str) -> _Group:
        """The config in a field; or of a sensor, in the mapping of its class that has one entry a sensor."""
        if (mapping := SENSOR_GROUPS.get(self.cls)) and name in self.values["modalities"]:
            cls = type(self._of_sensor(name))
            return _Group(cls, self.values[mapping].setdefault(name, {}), self.plain)
        if self.entries is None and (kind := _entries_of(self, name)) is not None:
            return _Group(self.cls, self.values.setdefault(name, {}), self.plain, entries=kind)
        cls = self._class(name, path)
        if not is_dataclass(cls):
            raise ValueError(f"{path}: {name} is a single value and has no fields")
        return _Group(cls, self.values.setdefault(name, {}), self.plain)

    def _class(self, name: str, path: str) -> Any:
        """The class of a field; that of some depends on the config."""
        if self.cls is TrainConfig and name in CHOSEN:
            return CHOSEN[name](self.plain)
        return self.kind(name, path)

    def kind(self, name: str, path: str) -> Any:
        """The type of a field."""
        if self.entries is not None:
            sensor_of(name)
            return self.entries
        hints = typing.get_type_hints(self.cls)
        mapping = SENSOR_GROUPS.get(self.cls)
        kinds = {key: kind for key, kind in hints.items() if not key.startswith("_") and key != mapping}
        if name not in kinds:
            there = sorted([*kinds, *(self.values["modalities"] if mapping else ())])
            raise ValueError(f"{path}: no setting {name!r}; there are {there}")
        return kinds[name]

    def _of_sensor(self, name: str) -> Any:
        sensor = sensor_of(name)
        return sensor.view if self.cls is BatchConfig else sensor.encoder(self.values["preset"])


def _entries_of(group: _Group, name: str) -> Any:
    """Type of the entries of a field that maps names to values; None for any other field."""
    kind = typing.get_type_hints(group.cls).get(name)
    return typing.get_args(kind)[1] if typing.get_origin(kind) is Mapping else None


def parse(path: str, text: str, kind: Any) -> Any:
    """`text` as a value of a field's type. Strict: `1` is not a bool, `3.0` is not an int."""
    adapter = TypeAdapter(kind)
    for value in _readings(text):
        with contextlib.suppress(ValidationError):
            return adapter.validate_python(value, strict=True)
    wanted = kind.__name__ if isinstance(kind, type) else str(kind).replace("typing.", "")
    raise ValueError(f"{path} is {text!r}; give a value of {wanted}")


def _readings(text: str) -> Iterator[Any]:
    """The values that a text can stand for: a string, a word, a number, a list of one of them."""
    yield from _scalars(text)
    parts = text.split(",")
    yield tuple(parts)
    yield tuple(list(_scalars(part))[-1] for part in parts)


def _scalars(text: str) -> Iterator[Any]:
    """The values that a text without commas can stand for; the last one is the most specific."""
    yield text
    if text.lower() in WORDS:
        yield WORDS[text.lower()]
    for number in (float, int):
        with contextlib.suppress(ValueError):
            yield number(text)
