"""`--cost` is read as it is written, and refused with its form."""

from __future__ import annotations

import pytest

from equipose.experiments.presets.typed.costs import parse_costs


def test_costs_have_names_or_one_is_given() -> None:
    assert parse_costs([]) == {}
    assert parse_costs(["rgb=50, lidar=9e2"]) == {"cost": {"rgb": 50.0, "lidar": 900.0}}
    assert parse_costs(["lost privacy:rgb=1", "watts:rgb=2.5"]) == {
        "lost privacy": {"rgb": 1.0},
        "watts": {"rgb": 2.5},
    }


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["rgb"], "--cost rgb: write it as money:rgb=50,lidar=900"),
        (["rgb=much"], "write it as"),
        (["=5"], "write it as"),
        ([""], "write it as"),
        ([":rgb=5"], "write it as"),
        (["a|b:rgb=5"], "write it as"),
        (["rgb=5", "rgb=6"], "every cost and every sensor in it once"),
        (["rgb=5,rgb=6"], "every cost and every sensor in it once"),
    ],
)
def test_other_forms_are_refused(values: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_costs(values)
