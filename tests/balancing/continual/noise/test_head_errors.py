from __future__ import annotations

import math

import torch

from equipose.balancing.continual.noise.head_errors import relative_log_errors


def test_by_hand() -> None:
    errors = torch.tensor([[0.2, 0.1, 0.4], [0.2, 0.1, 0.4], [0.3, 0.1, 0.1]], dtype=torch.float64)
    present = torch.tensor([[True, True, True], [True, False, True], [True, False, False]])
    found = relative_log_errors(errors, present)
    middle = (math.log(0.1) + math.log(0.4)) / 2
    assert abs(float(found[0, 0]) - (math.log(0.2) - middle)) < 1e-12
    assert abs(float(found[1, 0]) - math.log(0.5)) < 1e-12
    assert abs(float(found[1, 2]) - math.log(2)) < 1e-12
    assert found.isnan().tolist() == [[False] * 3, [False, True, False], [True] * 3]


def test_a_difficult_frame_cancels() -> None:
    errors = torch.tensor([[0.2, 0.1, 0.4]], dtype=torch.float64)
    present = torch.ones(1, 3, dtype=torch.bool)
    torch.testing.assert_close(relative_log_errors(errors, present), relative_log_errors(5 * errors, present))


def test_a_sensor_alone_has_nothing_to_be_compared_with() -> None:
    one = torch.ones(4, 1, dtype=torch.float64)
    assert relative_log_errors(one, one > 0).isnan().all()
