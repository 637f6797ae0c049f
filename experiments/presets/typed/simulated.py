"""The simulator as typed on the command line: people, dials, rooms and contamination; light to import."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from equipose.pipelines.simulator import Contamination, SimulatorConfig

LIMITS = {"S": 40, "A": 27}
"""How many subjects and actions MM-Fi has."""
EXAMPLE = "rate=0.2,kinds=gauss+swap,sensors=rgb"


def simulator_config(overrides: Iterable[str], rooms: float = 0.0, **settings: Any) -> SimulatorConfig:
    """The simulator with `settings`, then with texts such as `dropout.wifi=0.3`, and with drawn rooms.

    Raises ValueError that names the setting, its value and what it can be.
    """
    from equipose.pipelines.simulator import SimulatorConfig, drawn_rooms

    given = dict(settings)
    for text in overrides:
        if text.startswith("rooms"):
            raise ValueError(f"override {text!r} sets rooms; use --rooms STRENGTH, or Python for one's own")
        _set(given, f"override {text!r}", text, SimulatorConfig, "dropout.wifi=0.3")
    config = SimulatorConfig(**given)
    # Refuses a wrong strength before anything else is done with it.
    drawn = drawn_rooms(config.seed, rooms)
    return SimulatorConfig(**given, rooms=drawn) if drawn else config


def parse_contamination(text: str) -> Contamination:
    """The contamination that a text such as `rate=0.2,kinds=gauss+swap,sensors=rgb,gauss.rgb=30` means.

    Raises ValueError that names the setting, its value and what it can be.
    """
    from equipose.pipelines.simulator import Contamination

    given: dict[str, Any] = {}
    for part in text.split(","):
        _set(given, f"--contaminate {text!r}: {part!r}", part, Contamination, EXAMPLE)
    if "rate" not in given:
        raise ValueError(f"--contaminate {text!r} has no rate; write such as {EXAMPLE}")
    return Contamination(**given)


def _set(given: dict[str, Any], where: str, text: str, cls: type, example: str) -> None:
    """Set a field of a config in its keywords from `field=value`, or an entry of it: `field.sensor=value`."""
    from equipose.experiments.presets.typed.overrides import parse

    path, equals, value = (part.strip() for part in text.partition("="))
    name, dot, sensor = path.partition(".")
    kinds = typing.get_type_hints(cls)
    if not equals or name not in kinds:
        known = [field for field in kinds if field != "rooms"]
        raise ValueError(f"{where} must read field=value, such as {example}; fields are {known}")
    kind = kinds[name]
    mapping = typing.get_origin(kind) is dict
    if mapping != bool(dot):
        form = f"{name}.SENSOR=value" if mapping else f"{name}=value"
        raise ValueError(f"{where} must read {form}")
    if mapping:
        given[name] = {**given.get(name, {}), sensor: parse(path, value, typing.get_args(kind)[1])}
    elif typing.get_origin(kind) is tuple:
        names = [part for part in value.split("+") if part]
        given[name] = tuple(parse_codes(names, "S") if name == "subjects" else names)
    else:
        given[name] = parse(path, value, kind)


def parse_codes(values: Sequence[str], letter: str) -> list[str]:
    """Expand codes and ranges to an ascending list without repeats, e.g. `["S01", "S05", "S06"]`.

    Raises ValueError that names the value and the accepted forms.
    """
    numbers: set[int] = set()
    for value in (part for item in values for part in item.split(",") if part):
        match = re.fullmatch(rf"{letter}?(\d+)(?:-{letter}?(\d+))?", value.strip(), re.IGNORECASE)
        low, high = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= low <= high <= LIMITS[letter]:
            raise ValueError(
                f"{value!r} is no {letter}-code; write {letter}01..{letter}{LIMITS[letter]:02d}, "
                f"a range such as {letter}01-{letter}04, or a list with spaces or commas"
            )
        numbers |= set(range(low, high + 1))
    return [f"{letter}{number:02d}" for number in sorted(numbers)]
