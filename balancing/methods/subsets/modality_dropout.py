"""Modality dropout: in every visit, each sensor of a row is hidden with some probability.

Known since Neverova et al., "ModDrop: Adaptive Multi-modal Gesture Recognition" (TPAMI 2016); there, too, as
in most later uses, one draw per sample and modality. The model meets every subset of sensors while it trains,
so it cannot lean on one of them and keeps working without it. A row never loses all that it has: if every
sensor was to be hidden, the one that came closest to being kept stays.

What stands for a hidden sensor is the model's choice: zeros, a learnt token (`model.missing=token`), or
nothing (`model.absent=mask`, fusion `cross_attention`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from equipose.balancing.method import Method, MethodConfig
from equipose.balancing.methods.subsets.per_sensor import check_per_sensor, per_sensor
from equipose.balancing.run import EpochPlan, Run
from equipose.balancing.search_spaces import searched
from equipose.balancing.shapley.per_row import RowErrors, row_errors
from equipose.models.randomness import numpy_rng

NAME = "modality_dropout"


def left_after_dropout(available: Tensor, rates: Tensor, draws: Tensor) -> Tensor:
    """[N, M] bool: what each visit keeps of what is available [N, M]; at least one where there is any.

    rates: [M] in [0, 1); draws: [N, M], uniform in [0, 1).
    """
    left = available & (draws >= rates)
    # A draw of at least the rate is kept, so the largest share of it came closest.
    closeness = (draws / rates.clamp_min(1e-12)).where(available, -1.0)
    saved = torch.nn.functional.one_hot(closeness.argmax(dim=1), available.shape[1]).bool()
    return torch.where(left.any(dim=1, keepdim=True), left, saved & available)


class ModalityDropout(Method):
    """Hides readings in the plan of every epoch, so that other methods see them as absent, too."""

    @dataclass(frozen=True, kw_only=True)
    class Config(MethodConfig):
        """Rates are tuned per data set; there is no published one for poses."""

        rate: float = searched(0.3, low=0.05, high=0.7)
        """Probability that a sensor's reading of a row is hidden in a visit."""
        rates: Mapping[str, float] = field(default_factory=dict, hash=False)
        """sensor -> its own probability instead, such as `{"rgb": 0.6}`."""

        def __post_init__(self) -> None:
            super().__post_init__()
            if not 0 <= self.rate < 1:
                raise ValueError(f"{NAME}.rate must lie in [0, 1), got {self.rate}")
            check_per_sensor(NAME, "rates", self.rates, one=False)

    config: Config

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        self.found: RowErrors | None = None
        """Which sensors each row has; read from the data once per process."""

    def plan_epoch(self, plan: EpochPlan, run: Run) -> EpochPlan:
        """The same visits with some sensors hidden."""
        rates = per_sensor(run.model.modalities, self.config.rate, self.config.rates)
        if not rates.any():
            return plan
        available = plan.present & self._has(plan.indices, run)
        draws = numpy_rng(run.seed, NAME, run.epoch).random(tuple(plan.present.shape), dtype=np.float64)
        left = left_after_dropout(available, rates, torch.from_numpy(draws))
        for m, name in enumerate(run.model.modalities):
            hidden = (available[:, m] & ~left[:, m]).sum() / available[:, m].sum().clamp_min(1)
            run.log(f"method/hidden/{name}", float(hidden))
        return EpochPlan(indices=plan.indices, present=left)

    def _has(self, indices: Tensor, run: Run) -> Tensor:
        """[N, M] bool: which sensors the visited rows have."""
        rows = torch.unique(indices)
        if self.found is None or not torch.equal(self.found.rows, rows):
            self.found = row_errors(run, rows, torch.zeros(len(rows), dtype=torch.bool))
        return self.found.present[torch.searchsorted(rows, indices)]
