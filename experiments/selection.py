"""Lists of subjects and actions as people type them: `S01 S05-S08`, `A02,A13`, `1-4`."""

from __future__ import annotations

import re
from collections.abc import Sequence

LIMITS = {"S": 40, "A": 27}
"""How many subjects and actions MM-Fi has."""


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
