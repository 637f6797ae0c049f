from __future__ import annotations

import torch

from equipose.balancing.continual.noise.row_games import harms


def test_by_hand() -> None:
    # Errors without any sensor, with the first, with the second, with both.
    errors = torch.tensor([[0.5, 0.1, 0.6, 0.3], [0.5, 0.1, 0.5, 0.1]], dtype=torch.float64)
    found = harms(errors, torch.tensor([[True, True], [True, False]]))
    # The first lowers the error by 0.4 and by 0.3; the second raises it by 0.1 and by 0.2.
    torch.testing.assert_close(found[0], torch.tensor([-0.35, 0.15], dtype=torch.float64))
    assert (float(found[1, 0]), bool(found[1, 1].isnan())) == (-0.4, True)
