"""JSON from untrusted files: parsed exactly, or refused before it does harm."""

from __future__ import annotations

import math

import pytest

from equipose.pipelines.files.bounded_json import MAX_DEPTH, parse_json


def test_ordinary_json_is_read() -> None:
    assert parse_json('{"a": [1, 2.5, null, "x"]}') == {"a": [1, 2.5, None, "x"]}
    assert math.isnan(parse_json("[NaN]", nan=True)[0])


@pytest.mark.parametrize(
    "text", ["", "{", b"\xff\xfe\x00", "NaN", '{"a": Infinity}', "9" * 5000, "[" * 10**5, '{"a":' * 10**5]
)
def test_anything_else_is_one_kind_of_error(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"JSON|nests|Expecting|decode|digits"):
        parse_json(text)


def test_depth_is_bounded_exactly() -> None:
    parse_json("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    deeper = MAX_DEPTH + 1
    with pytest.raises(ValueError, match=f"more than {MAX_DEPTH} levels"):
        parse_json("[" * deeper + "]" * deeper)
