"""The order and the signs in which a file holds the columns of its points, as texts that options take.

Axes: what the file's first three columns hold, e.g. `z-x-y` for depth, left, up. Columns: what all of them
are called, e.g. `x,y,z,intensity,doppler`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from typing import Any

from numpy.typing import NDArray

NAMES = "xyz"

Axes = tuple[tuple[int, int], ...]
"""Per column of a file: the axis that it holds (0 to 2), and 1 or -1."""

ORDERS: tuple[Axes, ...] = tuple(
    tuple(zip(axes, signs, strict=True))
    for axes in permutations(range(3))
    for signs in product((1, -1), repeat=3)
)
"""All 48; the first changes nothing."""

SAME: Axes = ORDERS[0]


def parse_axes(text: str) -> Axes:
    """The axes that a text means; ValueError for any other text.

    >>> parse_axes("z-x-y")
    ((2, 1), (0, -1), (1, -1))
    """
    found = re.findall(r"(-?)([xyz])", text)
    if not re.fullmatch(r"(?:-?[xyz]){3}", text) or len({name for _, name in found}) < 3:
        raise ValueError(
            f"axes are {text!r}; write what the file's first three columns hold, each axis once and with - "
            "where its sign is turned, e.g. xyz or z-x-y"
        )
    return tuple((NAMES.index(name), -1 if sign else 1) for sign, name in found)


def axes_text(axes: Axes) -> str:
    """Inverse of `parse_axes`."""
    return "".join("-" * (sign < 0) + NAMES[axis] for axis, sign in axes)


def turned(points: NDArray[Any], axes: Axes) -> NDArray[Any]:
    """Points [..., C] whose first three columns are x, y, z, from such that hold `axes`; the rest stays."""
    result = points.copy()
    for column, (axis, sign) in enumerate(axes):
        result[..., axis] = sign * points[..., column]
    return result


def chained(first: Axes, then: Axes) -> Axes:
    """The one order that does what two do, one after the other.

    >>> axes_text(chained(parse_axes("zxy"), parse_axes("-yxz")))
    'z-yx'
    """
    return tuple((then[axis][0], sign * then[axis][1]) for axis, sign in first)


def parse_columns(text: str, known: Sequence[str]) -> tuple[str, ...]:
    """The names of a file's columns, in its order; ValueError unless they are the known ones."""
    names = tuple(name.strip() for name in text.split(","))
    if sorted(names) != sorted(known):
        raise ValueError(f"columns are {text!r}; write each of {','.join(known)} once, in the file's order")
    return names


def by_sensor(option: str, values: Sequence[str]) -> dict[str, str]:
    """Texts such as `sensor=order` as a dict; ValueError for other texts, and for a sensor named twice.

    >>> by_sensor("--axes", ["sonar=zxy"])
    {'sonar': 'zxy'}
    """
    found: dict[str, str] = {}
    for value in values:
        name, equals, order = value.partition("=")
        if not equals or not name or name in found:
            raise ValueError(f"{option} has {value!r}; write SENSOR=ORDER, every sensor once")
        found[name] = order
    return found


@dataclass(frozen=True, kw_only=True)
class ColumnOrder:
    """How a file orders the columns of its points: columns are sorted by name first, then axes are turned."""

    known: tuple[str, ...]
    """The columns as they shall be; x, y, z first."""
    columns: tuple[str, ...]
    """The columns as they are in the file."""
    axes: Axes = SAME

    @classmethod
    def of(cls, known: Sequence[str], axes: str | None = None, columns: str | None = None) -> ColumnOrder:
        """From texts; None: as they shall be. ValueError for texts that mean no order."""
        return cls(
            known=tuple(known),
            columns=tuple(known) if columns is None else parse_columns(columns, known),
            axes=SAME if axes is None else parse_axes(axes),
        )

    @property
    def texts(self) -> dict[str, str]:
        """`axes` and `columns`, without those that change nothing; `of` is the inverse."""
        axes = {} if self.axes == SAME else {"axes": axes_text(self.axes)}
        return axes if self.columns == self.known else {**axes, "columns": ",".join(self.columns)}

    def apply(self, points: NDArray[Any]) -> NDArray[Any]:
        """Points [N, C] of the file, in the known columns."""
        if not self.texts:
            return points
        return turned(points[:, [self.columns.index(name) for name in self.known]], self.axes)


def orders_of(
    known: Mapping[str, Sequence[str]], axes: Mapping[str, str], columns: Mapping[str, str]
) -> dict[str, ColumnOrder]:
    """The order of every sensor of points; `known`: its columns. ValueError names sensor and option."""
    for kind, texts in (("axes", axes), ("columns", columns)):
        if strange := sorted(set(texts) - set(known)):
            raise ValueError(f"{kind} are given for {strange}; sensors of points are {list(known)}")
    orders = {}
    for name, names in known.items():
        try:
            orders[name] = ColumnOrder.of(names, axes.get(name), columns.get(name))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    return orders


def settings_of(orders: Mapping[str, ColumnOrder]) -> dict[str, dict[str, str]]:
    """`axes` and `columns` -> sensor -> text, as in a reader's settings; without what changes nothing."""
    found: dict[str, dict[str, str]] = {}
    for name, order in orders.items():
        for kind, text in order.texts.items():
            found.setdefault(kind, {})[name] = text
    return found


def options_of(settings: Mapping[str, Mapping[str, str]]) -> str:
    """Settings as options of `equipose prepare`.

    >>> options_of({"axes": {"sonar": "zxy", "lidar": "-xyz"}})
    '--axes lidar=-xyz sonar=zxy'
    """
    given = [
        f"--{kind} " + " ".join(f"{n}={t}" for n, t in sorted(settings[kind].items())) for kind in settings
    ]
    return " ".join(given)
