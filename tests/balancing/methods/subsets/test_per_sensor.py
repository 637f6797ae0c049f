from __future__ import annotations

import pytest

from equipose.balancing.methods.subsets.per_sensor import check_per_sensor, per_sensor


def test_sensors_without_a_number_of_their_own_share_one() -> None:
    found = per_sensor(("wifi", "rgb", "lidar"), 0.3, {"rgb": 0.5, "mmwave": 0.9})
    assert found.tolist() == [0.3, 0.5, 0.3]


@pytest.mark.parametrize(
    ("value", "one", "fits"), [(0, False, True), (1, False, False), (0, True, False), (1, True, True)]
)
def test_which_end_is_allowed(value: float, one: bool, fits: bool) -> None:
    if fits:
        check_per_sensor("m", "rates", {"rgb": value}, one=one)
    else:
        with pytest.raises(ValueError, match=r"m\.rates\['rgb'\]"):
            check_per_sensor("m", "rates", {"rgb": value}, one=one)
