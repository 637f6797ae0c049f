"""Codes and ranges on the command line."""

from __future__ import annotations

import pytest

from equipose.experiments.commands.datasets import parse_codes


@pytest.mark.parametrize(
    ("typed", "codes"),
    [
        (["S01"], ["S01"]),
        (["1-3"], ["S01", "S02", "S03"]),
        (["S07,S05", "S05-S06"], ["S05", "S06", "S07"]),
        (["s40"], ["S40"]),
    ],
)
def test_codes_and_ranges_expand(typed: list[str], codes: list[str]) -> None:
    assert parse_codes(typed, "S") == codes


@pytest.mark.parametrize("typed", ["S41", "S00", "A01", "S3-S1", "all", "S01-"])
def test_bad_codes_are_named_with_the_accepted_forms(typed: str) -> None:
    with pytest.raises(ValueError, match=r"is no S-code; write S01\.\.S40"):
        parse_codes([typed], "S")
