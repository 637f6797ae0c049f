"""Channel c: how much a sensor harms the prediction of a frame, minus its contribution to that frame.

The contribution is the Shapley value of the game whose worth is minus the error of the subset of sensors.
This is the word of the paper's first abstract (arXiv 2501.05264v1); it sees only what the fusion uses, and
less the more the model has learnt by heart.
"""

from __future__ import annotations

import torch
from torch import Tensor

from equipose.balancing.shapley.coalitions import coalitions_of


def harms(errors: Tensor, present: Tensor) -> Tensor:
    """[N, M] float64, m: minus the Shapley value of minus the error; NaN where the sensor is absent.

    errors: [N, C] float64, m, of every coalition of `coalitions_of(M)`; present: [N, M] bool.
    """
    values = coalitions_of(present.shape[1]).shapley(-errors)
    return (-values).masked_fill(~present, torch.nan)
