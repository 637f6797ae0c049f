"""What a search turns: numbers on a logarithmic scale, and choices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optuna.trial import Trial

from equipose.balancing.search_spaces import SearchRange

Unless = tuple[str, Any] | None
"""Name of another dial and the value of it with which this one has no effect."""


@dataclass(frozen=True, kw_only=True)
class Dial:
    """A number of a config, and how far a search turns it, on a logarithmic scale."""

    name: str
    """Such as `ewc.strength`."""
    low: float
    high: float
    whole: bool
    default: float
    """The config's own setting, within the range."""
    unless: Unless = None

    @property
    def label(self) -> str:
        """The name and the range, such as `ewc.strength 100 to 1e+07`."""
        return f"{self.name} {self.low:g} to {self.high:g}"

    @property
    def own(self) -> float:
        """The config's own setting, as Optuna returns it."""
        return int(self.default) if self.whole else self.default

    def suggest(self, trial: Trial) -> float:
        """A value for a trial; one that it has already stays."""
        if self.whole:
            return trial.suggest_int(self.name, round(self.low), round(self.high), log=True)
        return trial.suggest_float(self.name, self.low, self.high, log=True)


@dataclass(frozen=True, kw_only=True)
class ChoiceDial:
    """A setting of a config that is one of a few."""

    name: str
    options: tuple[Any, ...]
    """With the config's own among them."""
    own: Any
    unless: Unless = None

    @property
    def label(self) -> str:
        """The name and the options, such as `model.width of 8, 16, 32`."""
        return f"{self.name} of {', '.join(str(option).lower() for option in self.options)}"

    def suggest(self, trial: Trial) -> Any:
        """An option for a trial; one that it has already stays."""
        return trial.suggest_categorical(self.name, list(self.options))


AnyDial = Dial | ChoiceDial


def dial_of(name: str, scale: SearchRange, now: float, unless: Unless = None) -> Dial:
    """The dial of a number that is `now`.

    A setting that lies outside of its declared range widens the range; one that is 0, which no logarithm
    reaches, starts at the nearest end.
    """
    ends = [scale.low, scale.high, *([now] if now > 0 else ())]
    low, high = min(ends), max(ends)
    return Dial(
        name=name,
        low=low,
        high=high,
        whole=scale.whole,
        default=min(max(now, low), high),
        unless=unless,
    )


def idle(dial: AnyDial, point: Mapping[str, Any]) -> bool:
    """Whether a dial has no effect at a point; what it depends on must come before it."""
    return dial.unless is not None and point[dial.unless[0]] == dial.unless[1]


def own_point(dials: tuple[AnyDial, ...]) -> dict[str, Any]:
    """The config's own settings, without those that have no effect."""
    point: dict[str, Any] = {}
    for dial in dials:
        if not idle(dial, point):
            point[dial.name] = dial.own
    return point


def suggest_dials(trial: Trial, dials: tuple[AnyDial, ...]) -> dict[str, Any]:
    """A point of a space; dials that the trial already has stay, and those without effect are left out."""
    point: dict[str, Any] = {}
    for dial in dials:
        if not idle(dial, point):
            point[dial.name] = dial.suggest(trial)
    return point
