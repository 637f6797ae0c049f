"""Channel b: how much worse a sensor's own head does on a frame than those of other sensors (our design).

The heads are probes on detached features. A frame that is difficult is so for all of them and cancels.
"""

from __future__ import annotations

import torch
from torch import Tensor

FLOOR = 1e-9
"""m; smallest error of which the logarithm is taken."""


def relative_log_errors(errors: Tensor, present: Tensor) -> Tensor:
    """[N, M] float64 log error of every head minus the median log error of the other sensors' heads.

    errors: [N, M] float64, m; present: [N, M] bool. NaN where the sensor is absent or no other is present.
    """
    logs = errors.clamp_min(FLOOR).log().masked_fill(~present, torch.nan)
    columns = []
    for m in range(errors.shape[1]):
        others = torch.cat([logs[:, :m], logs[:, m + 1 :]], dim=1)
        columns.append(logs[:, m] - _median(others))
    return torch.stack(columns, dim=1)


def _median(values: Tensor) -> Tensor:
    """[N] median of the numbers of each row [N, K], the mean of the middle two; NaN where there are none."""
    if not values.shape[1]:
        return values.new_full((len(values),), torch.nan)
    return values.nanquantile(0.5, dim=1)
